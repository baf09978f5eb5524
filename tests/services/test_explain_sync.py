"""Does an explanation foretell what the next sync really does? (ID-71, ID-79)"""

import threading
import time

import pytest

from gateway.bridges.port import Outage, Refused
from gateway.domain.accounts import system_actor
from gateway.domain.records import Identifier, ImportOptions, StatusEntry, SubscriberRecord
from gateway.services import explain, imports, integrations, suppression, sync
from tests.support.world import World

ANN = "ann@example.org"


@pytest.fixture
def world(database_url, clock, tmp_path):
    with World(database_url, clock, tmp_path, brands=(1, 2)) as made:
        yield made


@pytest.fixture
def crm(world, ams):
    with world.gateway.unit(system_actor(1)) as unit:
        return integrations.add(unit, "crm", "memory", {})


def forecast(world, email=ANN):
    answer = explain.explain(world.gateway, system_actor(1, "cli"), Identifier(email=email))
    return answer.people[0].next_sync


def run(world, crm):
    world.clock.advance(minutes=1)
    return sync.run(world.gateway, 1, crm)


@pytest.mark.parametrize("becomes,outcome,changes", [
    ((ANN, 0, "Gold", 0), "unchanged", {}),
    (("new@example.org", 0, "Gold", 0), "changed", {"email": (ANN, "new@example.org")}),
    ((ANN, 1, "Gold", 0), "changed", {"doNotEmail crm:17": ("false", "true")}),
    ((ANN, 0, "Silver", 0), "changed", {"interest Gold (integration:crm)": ("member", None),
                                        "interest Silver (integration:crm)": (None, "member")}),
    ((ANN, 0, "Gold", 1), "ended", {"link crm:17": ("live", "ended"), "orphan": ("false", "true"),
                                    "interest Gold (integration:crm)": ("member", None)}),
    (("no address", 0, "Gold", 0), "rejected", {}),
    (None, "gone", {"link crm:17": ("live", "ended"), "orphan": ("false", "true"),
                    "interest Gold (integration:crm)": ("member", None)}),
])
def test_what_the_next_sync_changes(world, ams, crm, becomes, outcome, changes):
    """ID-79: the row as listed now, through the sync's own code; the sync that follows does just that."""
    ams.put("17", ANN, 0, "Gold")
    ams.put("18", "bo@example.org", 0, "Gold")
    run(world, crm)
    ams.people = ams.people[1:]
    if becomes is not None:
        ams.put("17", *becomes)
    (expected,) = forecast(world)
    assert (expected.asked, expected.outcome) == ("asked", outcome)
    assert {change.name: (change.old, change.new) for change in expected.changes} == changes
    assert expected.would_be_orphan == (outcome in ("ended", "gone"))
    report = run(world, crm)
    happened = {name for name, count in report.counters.items() if count} - {"read"}
    assert ("swept" if outcome == "gone" else outcome) in happened
    if outcome != "unchanged" and outcome != "rejected":
        person = explain.explain(world.gateway, system_actor(1, "cli"), Identifier(subscriber_id=1)).people[0]
        (again,) = person.next_sync
        assert again.changes == () and again.outcome == "unchanged"


def test_an_ended_link_that_is_listed_again_revives(world, ams, crm):
    """ID-34: the same key brings the orphan back."""
    ams.put("17", ANN, 0)
    ams.put("18", "bo@example.org", 0)
    run(world, crm)
    kept, ams.people = ams.people[0], ams.people[1:]
    run(world, crm)
    assert forecast(world)[0].outcome == "unchanged"
    ams.people.append(kept)
    (expected,) = forecast(world)
    assert expected.outcome == "revived"
    assert {change.name for change in expected.changes} == {"link crm:17", "orphan"}


def test_an_open_writeback_beats_what_the_sync_would_bring(world, ams, crm):
    """ID-64: an unsubscribe on its way is listed, and the flag that the system still shows changes nothing."""
    ams.put("17", ANN, 0)
    run(world, crm)
    with world.unit() as unit:
        suppression.unsubscribe(unit, [StatusEntry(Identifier(email=ANN))])
    person = explain.explain(world.gateway, system_actor(1, "cli"), Identifier(email=ANN)).people[0]
    (waiting,) = person.writebacks
    assert (waiting.integration, waiting.kind, waiting.state) == ("crm", "unsubscribe", "ready")
    assert person.next_sync[0].outcome == "unchanged"


def test_each_link_is_asked_at_its_own_system(world, ams, crm):
    """ID-79: an integration that calls us cannot be asked, and says so."""
    ams.put("17", ANN, 0)
    run(world, crm)
    with world.unit() as unit:
        imports.import_records(unit, [SubscriberRecord("A", ANN)], ImportOptions())
    answer = explain.explain(world.gateway, system_actor(1, "cli"), Identifier(email=ANN))
    first, second = (person.next_sync[0] for person in answer.people)
    assert (first.integration, first.asked, second.integration, second.asked) == ("crm", "asked", "api", "callsUs")
    assert second.outcome is None and "calls us" in second.sentence


def test_an_honest_answer_when_the_system_does_not_answer(world, ams, crm, monkeypatch):
    """ID-60: down, hanging, or not able to: said so within the deadline, with everything else still answered."""
    ams.put("17", ANN, 0)
    run(world, crm)
    hang = threading.Event()

    def fails(error):
        def members_by_id(remote_ids, timeout_s):
            raise error
        return members_by_id

    for lookup, asked in ((fails(Outage("The system is away.")), "down"),
                          (fails(Refused("It lists all or nobody.")), "noLookup"),
                          (lambda remote_ids, timeout_s: (hang.wait(30), [])[1], "down")):
        monkeypatch.setattr(ams, "members_by_id", lookup)
        began = time.monotonic()
        (said,) = forecast(world)
        assert (said.asked, said.outcome, said.changes) == (asked, None, ())
        assert "crm" in said.sentence and time.monotonic() - began < 25
    hang.set()


def test_a_system_known_to_be_down_is_not_asked(world, ams, crm):
    """ID-60: while the next probe is waited for, nobody knocks."""
    ams.put("17", ANN, 0)
    run(world, crm)
    with world.gateway.unit(system_actor(1)) as unit:
        unit.connection.exec_driver_sql("UPDATE integration SET state = 'down', probe_at = '2026-01-15 13:00:00+00'"
                                        if unit.connection.dialect.name == "postgresql" else
                                        "UPDATE integration SET state = 'down', "
                                        "probe_at = '2026-01-15 13:00:00.000000'")
    ams.asked.clear()
    (said,) = forecast(world)
    assert said.asked == "down" and "2026-01-15 13:00" in said.sentence and ams.asked == []


def test_two_rows_of_one_key_that_differ(world, ams, crm):
    """ID-69: as in a sync, contradicting rows are left alone."""
    ams.put("17", ANN, 0)
    run(world, crm)
    ams.put("17", "other@example.org", 0)
    (said,) = forecast(world)
    assert (said.outcome, said.changes) == ("conflicting", ())


def test_a_busy_store_is_said_and_not_waited_for(world, ams, crm):
    """A question does not queue behind an import: after two seconds it answers what it can."""
    ams.put("17", ANN, 0)
    run(world, crm)
    with world.gateway.unit(system_actor(1)) as unit:
        imports.prepare(unit, ImportOptions(integration="crm"), 1)  # holds the brand's lock
        answer = explain.explain(world.gateway, system_actor(1, "cli"), Identifier(email=ANN))
    assert answer.people[0].next_sync[0].asked == "busy" and answer.next_record is None
