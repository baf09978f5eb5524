"""Does every opt-out reach every system that knows the person, once, in order, whatever breaks? (ID-53..62, ID-P13)"""

import subprocess
import sys

import pytest
import sqlalchemy as sa

from gateway.bridges.port import Outage, Refused
from gateway.db.models.accounts import integration
from gateway.db.models.subscribers import remote_key, subscriber
from gateway.db.queries import accounts as accounts_queries
from gateway.db.queries import events
from gateway.db.queries import writebacks as queries
from gateway.domain.accounts import system_actor
from gateway.domain.events import NewEvent
from gateway.domain.paging import PageRequest
from gateway.domain.writeback import LEASE, WritebackFilter
from gateway.errors import GatewayError
from gateway.services import integrations, suppression, writebacks
from tests.support.ams import sqlite_ams
from tests.support.world import World


@pytest.fixture
def world(database_url, clock, tmp_path):
    with World(database_url, clock, tmp_path, brands=(1, 2)) as made:
        yield made


def bridged(world, name="ams", kind="memory", brand_id=1, config=None):
    with world.gateway.unit(system_actor(brand_id)) as unit:
        return integrations.add(unit, name, kind, config or {})


def person(world, email, *keys, brand_id=1):
    """A subscriber with (integration id, remote id) keys."""
    with world.gateway.unit(system_actor(brand_id)) as unit:
        source_id = accounts_queries.add_source(unit.connection, brand_id, "upload", "")
        made = unit.connection.execute(sa.insert(subscriber).values(
            brand_id=brand_id, email=email, keyless=not keys, source_id=source_id, first_source_id=source_id,
            created_at=unit.now, changed_at=unit.now)).inserted_primary_key[0]
        for integration_id, remote_id in keys:
            unit.connection.execute(sa.insert(remote_key).values(
                brand_id=brand_id, integration_id=integration_id, remote_id=remote_id, subscriber_id=made,
                created_at=unit.now))
        return made


def fact(world, email, kind="unsubscribe", *, brand_id=1, key=None, reason="too much mail", **more):
    """An event with its writebacks, in one transaction; answers how many rows."""
    with world.gateway.unit(system_actor(brand_id)) as unit:
        event_id = events.add(unit.connection, brand_id, NewEvent(f"{kind}d", unit.now, key or f"{kind}:{email}"),
                              unit.now)
        return writebacks.queue(unit, kind=kind, event_id=event_id, email=email,
                                payload={"origin": "link", "reason": reason}, **more)


def rows(world, brand_id=1):
    with world.gateway.feed(system_actor(brand_id)) as unit:
        world.clock.advance(seconds=1)
        unit.now = world.clock()
        return writebacks.find(unit, WritebackFilter(), PageRequest()).items


def states(world, brand_id=1):
    return [row.state for row in rows(world, brand_id)]


def health(world, integration_id, brand_id=1):
    with world.gateway.reading(system_actor(brand_id)) as unit:
        view = integrations.get(unit, integration_id)
        wait = None if view.probe_at is None else round((view.probe_at - unit.now).total_seconds() / 60)
        return view.state, view.failures, wait


def run(world, integration_id, brand_id=1):
    writebacks.run_writebacks(world.gateway, brand_id, integration_id)


def test_one_row_per_live_key_at_the_address(world, ams):
    """ID-53, ID-59: all records at the address, every system but the caller's own and those without a bridge."""
    first, second, api = bridged(world), bridged(world, "crm"), world.integration("api")
    person(world, "fam@example.org", (first, "17"), (api, "17"))
    person(world, "fam@example.org", (first, "18"), (second, "5"))
    person(world, "other@example.org", (first, "19"))
    ended = person(world, "fam@example.org", (second, "6"))
    with world.unit() as unit:
        unit.connection.execute(sa.update(remote_key).where(remote_key.c.subscriber_id == ended)
                                .values(ended_at=unit.now))
    assert fact(world, "fam@example.org", reason="x" * 300) == 3
    assert [(row.integration_id, row.remote_id, row.email) for row in rows(world)] == [
        (first, "17", "fam@example.org"), (first, "18", "fam@example.org"), (second, "5", "fam@example.org")]
    assert {len(row.payload["reason"]) for row in rows(world)} == {250}
    assert fact(world, "fam@example.org", key="again", except_integration_id=first) == 1


def test_the_same_event_again_writes_nothing(world, ams):
    """ID-P13: exactly one row per (event, remote key)."""
    person(world, "ann@example.org", (bridged(world), "17"))
    with world.unit() as unit:
        event_id = events.add(unit.connection, 1, NewEvent("unsubscribed", unit.now, "once"), unit.now)
        counts = [writebacks.queue(unit, kind="unsubscribe", event_id=event_id, email="ann@example.org", payload={})
                  for _ in range(2)]
        assert counts == [1, 0]
        assert [ring.task for ring in unit.rings] == ["run_writebacks"]


def test_a_rolled_back_fact_leaves_no_row(world, ams):
    """ID-59: the row is written in the transaction of the fact."""
    person(world, "ann@example.org", (bridged(world), "17"))
    with pytest.raises(ZeroDivisionError), world.unit() as unit:
        event_id = events.add(unit.connection, 1, NewEvent("unsubscribed", unit.now, "once"), unit.now)
        assert writebacks.queue(unit, kind="unsubscribe", event_id=event_id, email="ann@example.org", payload={}) == 1
        raise ZeroDivisionError
    assert rows(world) == ()


def test_written_into_a_real_database(world, tmp_path):
    """The whole way of an unsubscribe, with time, origin and reason."""
    ams = sqlite_ams(tmp_path)
    ams.put("17", "ann@example.org")
    made = bridged(world, kind="sql", config=ams.config)
    person(world, "ann@example.org", (made, "17"))
    fact(world, "ann@example.org")
    assert writebacks.due(world.gateway) == [(1, made)]
    run(world, made)
    assert states(world) == ["sent"]
    assert writebacks.due(world.gateway) == []
    row = ams.row("17")
    assert (row["no_mail"], row["changed_at"], row["origin"], row["reason"]) == (
        1, "2026-01-15T12:00:00.000Z", "link", "too much mail")
    run(world, made)
    assert states(world) == ["sent"]


def test_a_refused_row_has_two_more_tries_then_waits_for_a_person(world, ams):
    """ID-60: after 5 and 30 minutes, then failed, until a person retries it; others go on."""
    made = bridged(world)
    for remote_id in ("17", "18"):
        ams.put(remote_id, f"{remote_id}@example.org")
        person(world, f"{remote_id}@example.org", (made, remote_id))
        fact(world, f"{remote_id}@example.org")
    ams.refuses = {"17"}
    seen = []
    for minutes in (0, 4, 2, 29, 2, 600):
        world.clock.advance(minutes=minutes)
        run(world, made)
        seen.append((rows(world)[0].state, rows(world)[0].tries))
    assert seen == [("error", 1), ("error", 1), ("error", 2), ("error", 2), ("failed", 3), ("failed", 3)]
    assert rows(world)[0].message == "The system does not take this record."
    assert rows(world)[1].state == "sent"
    ams.refuses = set()
    failed = rows(world)[0].writeback_id
    with world.unit() as unit:
        writebacks.retry(unit, failed)
    run(world, made)
    assert states(world) == ["sent", "sent"]


def test_an_outage_uses_no_try_and_is_probed_after_1_2_4_8_then_15_minutes(world, ams):
    """ID-60: rows stay ready while the system is away."""
    made = bridged(world)
    ams.put("17", "ann@example.org")
    person(world, "ann@example.org", (made, "17"))
    fact(world, "ann@example.org")
    ams.is_away = True
    waits = []
    for _ in range(6):
        run(world, made)
        state, failures, wait = health(world, made)
        waits.append(wait)
        assert (state, failures, states(world), rows(world)[0].tries) == ("down", len(waits), ["ready"], 0)
        assert writebacks.due(world.gateway) == []
        run(world, made)
        assert health(world, made)[1] == len(waits)  # not before its time
        world.clock.advance(minutes=wait)
        assert writebacks.due(world.gateway) == [(1, made)]
    assert waits == [1, 2, 4, 8, 15, 15]
    ams.is_away = False
    run(world, made)
    assert (health(world, made), states(world)) == (("up", 0, None), ["sent"])


def test_a_row_that_breaks_the_system_comes_last(world, ams, monkeypatch):
    """ID-60, ID-61: an AMS that answers 500 about one person is down, but only that person waits for it."""
    def write_back(item):
        if item.remote_id == "1":
            raise Outage("It fell over.")
        done.append(item.remote_id)

    done: list[str] = []
    monkeypatch.setattr(ams, "write_back", write_back)
    made = bridged(world)
    for number in "123":
        person(world, f"p{number}@example.org", (made, number))
        fact(world, f"p{number}@example.org")
    world.clock.advance(seconds=1)
    run(world, made)
    assert (health(world, made), done) == (("down", 1, 1), [])
    world.clock.advance(minutes=1)
    run(world, made)
    assert (health(world, made), done) == (("down", 1, 1), ["2", "3"])  # it was up meanwhile
    assert sorted((row.remote_id, row.state, row.tries) for row in rows(world)) == [
        ("1", "ready", 0), ("2", "sent", 0), ("3", "sent", 0)]


def test_what_a_clock_ahead_of_time_stored_holds_up_nothing(world, ams):
    """ID-60: a row of next year, a lease that seems to last two days, a probe in two days; the clock is right again."""
    made = bridged(world)
    for number in "123":
        ams.put(number, f"p{number}@example.org")
        person(world, f"p{number}@example.org", (made, number))
    world.clock.advance(days=365)
    fact(world, "p1@example.org")
    world.clock.advance(days=-365)
    fact(world, "p2@example.org")
    fact(world, "p3@example.org")
    world.clock.advance(days=2)
    with world.gateway.unit(system_actor(1)) as unit:
        second = queries.candidates(unit.connection, 1, made, unit.now, 1)
        assert queries.claim(unit.connection, 1, *second, "a dead worker", unit.now, unit.now + LEASE)
    ams.is_away = True
    run(world, made)
    assert health(world, made)[0] == "down"
    world.clock.advance(days=-2)
    ams.is_away = False
    assert {row.remote_id for row in rows(world)} == {"1", "2", "3"}  # and none of them is hidden
    assert writebacks.due(world.gateway) == [(1, made)]
    run(world, made)
    assert (states(world), health(world, made)[0]) == (["sent"] * 3, "up")


def test_a_check_that_is_refused_uses_up_no_row(world, ams, monkeypatch):
    """ID-60: what is set up does not fit any more, such as a WSDL that has changed; a person must act, rows wait."""
    def refuse():
        raise Refused("The service has no such operation.")

    made = bridged(world)
    ams.put("17", "ann@example.org")
    person(world, "ann@example.org", (made, "17"))
    fact(world, "ann@example.org")
    ams.is_away = True
    run(world, made)
    ams.is_away = False
    with monkeypatch.context() as broken:
        broken.setattr(ams, "check", refuse)
        world.clock.advance(minutes=1)
        run(world, made)
        assert (health(world, made), states(world)) == (("down", 2, 2), ["ready"])
    world.clock.advance(minutes=2)
    run(world, made)
    assert (health(world, made)[0], states(world)) == ("up", ["sent"])


def test_an_outage_of_a_real_database(world, tmp_path):
    ams = sqlite_ams(tmp_path)
    made = bridged(world, kind="sql", config=ams.away_config())
    person(world, "ann@example.org", (made, "17"))
    fact(world, "ann@example.org")
    run(world, made)
    assert (health(world, made)[0], states(world)) == ("down", ["ready"])
    ams.put("17", "ann@example.org")
    with world.unit() as unit:
        integrations.reconfigure(unit, made, ams.config)
    run(world, made)
    assert (states(world), ams.row("17")["no_mail"]) == (["sent"], 1)


def test_a_configuration_of_another_key_loses_no_row(world, ams):
    made = bridged(world)
    person(world, "ann@example.org", (made, "17"))
    fact(world, "ann@example.org")
    with world.unit() as unit:
        unit.connection.execute(sa.update(integration).where(integration.c.id == made).values(config="damaged"))
    run(world, made)
    assert (health(world, made)[0], states(world)) == ("down", ["ready"])


def test_older_than_30_days_is_expired_and_listed(world, ams):
    """ID-58, ID-60: never silently dropped."""
    made = bridged(world)
    ams.is_away = True
    person(world, "ann@example.org", (made, "17"))
    fact(world, "ann@example.org")
    world.clock.advance(days=30, minutes=1)
    assert writebacks.due(world.gateway) == [(1, made)]
    run(world, made)
    assert states(world) == ["expired"]
    assert writebacks.due(world.gateway) == []


def test_rows_of_one_key_leave_in_order_and_a_stuck_one_blocks_only_its_own(world, ams):
    """ID-61"""
    made = bridged(world)
    for remote_id in ("17", "18"):
        ams.put(remote_id, f"{remote_id}@example.org")
        person(world, f"{remote_id}@example.org", (made, remote_id))
    for number, kind in enumerate(("unsubscribe", "resubscribe", "unsubscribe")):
        for remote_id in ("17", "18"):
            fact(world, f"{remote_id}@example.org", kind, key=f"{number}:{remote_id}")
    ams.refuses = {"17"}
    run(world, made)
    assert [(i.remote_id, i.kind) for i in ams.written] == [("18", "unsubscribe"), ("18", "resubscribe"),
                                                            ("18", "unsubscribe")]
    assert [row.state for row in rows(world) if row.remote_id == "17"] == ["error", "ready", "ready"]
    ams.refuses = set()
    stuck = next(row.writeback_id for row in rows(world) if row.remote_id == "17")
    with world.unit() as unit:
        writebacks.dismiss(unit, stuck)
    run(world, made)
    assert [(i.remote_id, i.kind) for i in ams.written[3:]] == [("17", "resubscribe"), ("17", "unsubscribe")]


def test_a_turn_ends_and_rings_for_the_rest(world, ams, monkeypatch):
    """ID-61: integrations are served in turn."""
    monkeypatch.setattr(writebacks, "TURN_ROWS", 2)
    made = bridged(world)
    for number in range(5):
        ams.put(str(number), f"{number}@example.org")
        person(world, f"{number}@example.org", (made, str(number)))
        fact(world, f"{number}@example.org")
    counts = []
    for _ in range(3):
        run(world, made)
        counts.append(len(ams.written))
    assert counts == [2, 4, 5]


def test_a_kind_that_the_system_does_not_take_is_closed_with_the_reason(world, ams):
    ams.writes = frozenset({"unsubscribe"})
    made = bridged(world)
    person(world, "ann@example.org", (made, "17"))
    fact(world, "ann@example.org", "bad_email")
    run(world, made)
    assert (rows(world)[0].state, rows(world)[0].message) == ("closed", "This integration takes no bad_email.")


def test_a_worker_killed_in_the_call_repeats_one_write_at_most(world, tmp_path):
    """ID-60, ID-62: kill -9 after the write, before it is noted; the row returns when the lease is over."""
    ams = sqlite_ams(tmp_path)
    config = {**ams.config, "writeback": {
        "unsubscribe": "UPDATE members SET no_mail = 1, bad_email = bad_email + 1 WHERE member_no = :remote_id"}}
    made = bridged(world, kind="sql", config=config)
    for remote_id in ("17", "18"):
        ams.put(remote_id, f"{remote_id}@example.org")
        person(world, f"{remote_id}@example.org", (made, remote_id))
        fact(world, f"{remote_id}@example.org")
    with subprocess.Popen([sys.executable, "-m", "tests.support.writeback_worker", world.settings.database_url,
                           str(made), str(tmp_path / "data")], stdout=subprocess.PIPE) as worker:
        assert worker.stdout.readline() == b"written\n"
        worker.kill()
    assert states(world) == ["processing", "ready"]
    run(world, made)
    assert states(world) == ["processing", "sent"]  # the lease still runs
    world.clock.advance(minutes=2)
    assert writebacks.due(world.gateway) == [(1, made)]
    run(world, made)
    assert states(world) == ["sent", "sent"]
    assert [(ams.row(r)["no_mail"], ams.row(r)["bad_email"]) for r in ("17", "18")] == [(1, 2), (1, 1)]


def test_two_brands_do_not_meet(world, ams):
    """ID-P15: same remote ID, same address, two brands."""
    first, second = bridged(world), bridged(world, brand_id=2)
    for brand_id, integration_id in ((1, first), (2, second)):
        person(world, "ann@example.org", (integration_id, "17"), brand_id=brand_id)
    ams.put("17", "ann@example.org")
    assert fact(world, "ann@example.org") == 1
    assert (states(world), states(world, 2)) == (["ready"], [])
    run(world, first, brand_id=2)
    run(world, second)
    assert ams.written == []
    other = rows(world)[0].writeback_id
    with pytest.raises(GatewayError) as caught, world.gateway.unit(system_actor(2)) as unit:
        writebacks.dismiss(unit, other)
    assert caught.value.code == "NOT_FOUND"
    run(world, first)
    assert len(ams.written) == 1


def test_an_unknown_state_is_refused(world):
    with pytest.raises(GatewayError) as caught, world.gateway.feed(system_actor(1)) as unit:
        writebacks.find(unit, WritebackFilter(state="lost"), PageRequest())
    assert (caught.value.code, caught.value.field) == ("INVALID_VALUE", "state")


def test_a_sent_row_cannot_be_retried(world, ams):
    made = bridged(world)
    ams.put("17", "ann@example.org")
    person(world, "ann@example.org", (made, "17"))
    fact(world, "ann@example.org")
    run(world, made)
    sent = rows(world)[0].writeback_id
    with pytest.raises(GatewayError) as caught, world.unit() as unit:
        writebacks.retry(unit, sent)
    assert caught.value.code == "STATE_CONFLICT"


def test_a_bad_address_is_written_back_with_class_and_code(world, ams):
    """ID-55: through the service that sets the fact."""
    made = bridged(world)
    ams.put("17", "ann@example.org")
    person(world, "ann@example.org", (made, "17"))
    with world.gateway.unit(system_actor(1)) as unit:
        event_id = events.add(unit.connection, 1, NewEvent("bounced", unit.now, "b"), unit.now)
        assert suppression.set_bounced(unit, email="ann@example.org", code="5.1.1", bounce_class="hard",
                                       event_id=event_id)
    writebacks.run_writebacks(world.gateway, 1, made)
    assert [(item.kind, item.code, item.bounce_class) for item in ams.written] == [("bad_email", "5.1.1", "hard")]


def test_who_left_the_address_that_was_mailed_is_written_back_too(world, ams):
    """ID-43, ID-53: the record is opted out where it is now, so the system that knows it hears of it, once."""
    made = bridged(world)
    for remote_id in ("17", "18", "19"):
        ams.put(remote_id, "somebody@example.org")
    moved = person(world, "new@example.org", (made, "17"))
    person(world, "old@example.org", (made, "18"))
    person(world, "new@example.org", (made, "19"))
    with world.gateway.unit(system_actor(1)) as unit:
        assert suppression.opt_out(unit, email="old@example.org", origin="link", subscriber_id=moved)
    writebacks.run_writebacks(world.gateway, 1, made)
    assert sorted(item.remote_id for item in ams.written) == ["17", "18"]
