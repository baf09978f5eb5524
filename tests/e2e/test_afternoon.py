"""Do two databases stay in step for thirty days, whatever happens to either of them, to us, or in between?

Three in-house systems (a database, a SOAP service, a folder of exports) know overlapping people. Their staff edits,
people unsubscribe and are resubscribed, systems are away, list half or nothing, clocks are wrong, workers are killed.
"""

from __future__ import annotations

from collections import Counter

import pytest
import sqlalchemy as sa

from gateway.db.models.subscribers import address_status
from gateway.db.models.sync import sync_run, writeback
from gateway.domain.accounts import ADMIN
from gateway.domain.records import Identifier
from gateway.services import explain, reconcile
from tests.support.afternoon import MAILING_DAYS, Afternoon, story
from tests.support.smtp_sink import SmtpSink


@pytest.fixture(params=[("sqlite_url", False), ("postgres_url", True)], ids=["sqlite", "postgresql, one-to-many"])
def told(request, tmp_path):
    """The story, told to its end."""
    url, one_to_many = request.param
    with SmtpSink() as smtp:
        afternoon = story(request.getfixturevalue(url), tmp_path, smtp, one_to_many=one_to_many)
        yield afternoon
        afternoon.close()


def test_thirty_days(told):
    """ID-58..64, ID-66..72, ID-P7, ID-P11, ID-P13, ID-P15, SEND-12: everything below is true at the end."""
    much_happened(told)
    both_sides_agree(told)
    no_opt_out_was_lost(told)
    nobody_was_mailed_twice_or_against_their_will(told)
    every_difference_is_explained(told)
    assert told.neighbour() == told.neighbour_before, "ID-P15: another brand has the same people, and nothing changed"


def much_happened(told: Afternoon) -> None:
    with told.world.reading() as unit:
        runs = Counter(unit.connection.scalars(sa.select(sync_run.c.state)))
        kinds = Counter(unit.connection.execute(sa.select(writeback.c.kind, writeback.c.state)).all())
    assert told.memory.kills > 30 and told.memory.stopped
    assert all(runs[state] for state in ("success", "partial", "held", "failed")) and runs.keys().isdisjoint(
        {"running", "requested"}), runs
    assert kinds["unsubscribe", "sent"] > 30 and kinds["resubscribe", "sent"] > 3
    assert {state for _, state in kinds} <= {"sent", "closed"}, "no writeback is left over, none died"


def both_sides_agree(told: Afternoon) -> None:
    """By the systems' own lists, and by the report that a person would ask for."""
    ours = {(name, key): (email, bool(flag)) for name, key, email, flag in told.live_keys()}
    assert ours == {who: (listed.email, listed.flagged) for who, listed in told.there().items()}
    wrong = {who: flag for who, flag in told.memory.flags.items()
             if who in told.there() and told.there()[who].flagged != flag}
    assert wrong == {}, "what people said here is what their systems have"
    for name, side in told.sides.items():
        side.night()
        report = reconcile.reconcile(told.world.gateway, told.world.actor(role=ADMIN), name)
        assert report.agrees, (name, report)


def no_opt_out_was_lost(told: Afternoon) -> None:
    """ID-43, ID-49: whoever is out is out at the address that they have, and everywhere that we know it."""
    with told.world.reading() as unit:
        t = address_status.c
        out = set(unit.connection.scalars(sa.select(t.email).where(t.brand_id == 1, t.opted_out_at.is_not(None))))
    assert {told.memory.addresses[number] for number in told.memory.out} <= out


def nobody_was_mailed_twice_or_against_their_will(told: Afternoon) -> None:
    """SEND-12, ID-48, ID-P7."""
    copies = Counter((mail.instance_id, mail.address) for mail in told.memory.mails)
    assert [one for one, number in copies.items() if number > 1] == []
    assert told.memory.mailed_though_out == []
    assert len({mail.instance_id for mail in told.memory.mails}) == len(MAILING_DAYS)


def every_difference_is_explained(told: Afternoon) -> None:
    """ID-79: who is listed there and gets no mail from here has a reason, and the next sync changes nothing."""
    there, actor = told.there(), told.world.actor(role=ADMIN)
    for number, address in told.memory.addresses.items():
        listed = {name: each for (name, key), each in there.items() if key == str(number)}
        answer = explain.explain(told.world.gateway, actor, Identifier(email=address))
        reachable = any(person.sendable for person in answer.people)
        wanted = bool(listed) and number not in told.memory.out and not any(each.flagged for each in listed.values())
        assert reachable == wanted, (number, listed, answer.sentence)
        for person in answer.people:
            assert person.sendable or person.verdict.blockers, (number, person)
            expected = [each for each in person.next_sync if each.integration in told.sides]
            assert {each.outcome for each in expected} <= {"unchanged", "gone"}, (number, expected)
