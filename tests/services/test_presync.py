"""Is an instance's audience as fresh as the systems that fill its interests? (ID-66, ID-67)"""

import threading

import pytest
import sqlalchemy as sa

from gateway.db.models.mailings import delivery
from gateway.db.models.mailings import instance as instance_table
from gateway.db.models.sync import sync_run
from gateway.domain.accounts import system_actor
from gateway.services import integrations, lifecycle, mailings, sync, syncchoices


@pytest.fixture
def made(house, ams):
    """An integration that has put Ann into News, an hour ago."""
    with house.gateway.unit(system_actor(1)) as unit:
        made = integrations.add(unit, "crm", "memory", {})
    ams.put("1", "ann@example.org", 0, "News")
    assert sync.run(house.gateway, 1, made).state == "success"
    house.clock.advance(hours=1)
    return made


def advance(house, instance_id):
    lifecycle.advance(house.gateway, system_actor(1), instance_id)
    return house.instance(instance_id).state


def runs(house):
    with house.reading() as unit:
        t = sync_run.c
        return [tuple(row) for row in unit.connection.execute(
            sa.select(t.state, t.trigger, t.instance_id).order_by(t.id))]


def choose(house, made, **wanted):
    with house.gateway.unit(system_actor(1)) as unit:
        syncchoices.choose(unit, made, wanted)


def recipients(house, instance_id):
    with house.reading() as unit:
        return sorted(unit.connection.scalars(sa.select(delivery.c.email).where(
            delivery.c.instance_id == instance_id, delivery.c.state == "queued")))


def act(house, what, instance_id):
    with house.unit() as unit:
        return what(unit, instance_id)


def test_an_instance_waits_for_a_run_that_began_when_it_was_due(house, ams, made):
    """ID-66, SEND-3: whoever joined since is mailed; the run is asked for once, and its end rings for the instance."""
    ams.put("2", "bo@example.org", 0, "News")
    instance_id = house.schedule()
    for _ in range(2):
        assert advance(house, instance_id) == "preparing"
    assert runs(house)[1:] == [("requested", "mailing", instance_id)]
    assert sync.due(house.gateway) == [(1, made)]
    sync.run_sync(house.gateway, 1, made)
    assert runs(house)[1:] == [("success", "mailing", instance_id)]
    assert advance(house, instance_id) == "sending"
    assert recipients(house, instance_id) == ["ann@example.org", "bo@example.org"]


def test_a_failed_run_pauses_and_resume_tries_again(house, ams, made):
    """ID-67"""
    ams.is_away = True
    instance_id = house.schedule()
    advance(house, instance_id)
    sync.run_sync(house.gateway, 1, made)
    assert advance(house, instance_id) == "paused"
    paused = house.instance(instance_id)
    assert (paused.reason, paused.paused_from) == ("sync_failed", "preparing")
    assert advance(house, instance_id) == "paused"
    act(house, mailings.resume, instance_id)
    assert advance(house, instance_id) == "preparing"
    sync.run_sync(house.gateway, 1, made)
    assert advance(house, instance_id) == "paused"
    ams.is_away = False
    act(house, mailings.resume, instance_id)
    act(house, mailings.resume, instance_id)
    sync.run_sync(house.gateway, 1, made)
    assert advance(house, instance_id) == "sending"
    assert [state for state, *_ in runs(house)] == ["success", "failed", "failed", "success"]


def test_a_held_run_pauses_until_it_is_released(house, ams, made):
    """ID-67, ID-70: when somebody has released it, resuming is enough."""
    for number in range(30):
        ams.put(f"x{number}", f"x{number}@example.org", 0, "News")
    sync.run(house.gateway, 1, made)
    del ams.people[1:20]
    house.clock.advance(minutes=1)
    instance_id = house.schedule()
    advance(house, instance_id)
    sync.run_sync(house.gateway, 1, made)
    assert (advance(house, instance_id), runs(house)[-1][0]) == ("paused", "held")
    assert sync.run(house.gateway, 1, made, release=True).state == "success"
    act(house, mailings.resume, instance_id)
    assert advance(house, instance_id) == "sending"
    assert len(recipients(house, instance_id)) == 12


@pytest.mark.parametrize(("hours", "state"), [("1", "paused"), ("2", "sending")])
def test_a_brand_may_go_on_with_a_young_complete_run(house, ams, made, hours, state):
    """ID-67: goOnHours."""
    choose(house, made, goOnHours=hours)
    house.clock.advance(minutes=30)
    ams.is_away = True
    instance_id = house.schedule()
    advance(house, instance_id)
    sync.run_sync(house.gateway, 1, made)
    assert advance(house, instance_id) == state


def test_it_can_be_switched_off_and_is_not_for_tests_or_other_interests(house, ams, made):
    """ID-66: nor where nothing was ever synced, for the first run is a person's decision."""
    with house.gateway.unit(system_actor(1)) as unit:
        never = integrations.add(unit, "never", "memory", {})
    other = house.add_interest("Other")
    with house.unit() as unit:
        unit.connection.execute(sa.text("UPDATE interest SET integration_id = :n WHERE id = :i"),
                                {"n": never, "i": other})
    assert advance(house, house.schedule(house.create(interests=("Other",)))) == "sending"
    test = house.schedule()
    with house.unit() as unit:
        unit.connection.execute(sa.update(instance_table).values(is_test=True).where(instance_table.c.id == test))
    assert advance(house, test) == "sending"
    instance_id = house.schedule()
    assert advance(house, instance_id) == "preparing"
    choose(house, made, beforeMailing="false")
    assert advance(house, instance_id) == "sending"
    sync.run_sync(house.gateway, 1, made)
    assert runs(house)[1:] == [("success", "mailing", instance_id)]


def test_an_excluded_interest_is_synced_too_and_an_owned_one_without_members(house, ams, made):
    """ID-66: who is left out must be as fresh as who is mailed."""
    house.add_interest("Mine")
    with house.unit() as unit:
        unit.connection.execute(sa.text("UPDATE interest SET integration_id = :n WHERE name = 'Mine'"), {"n": made})
    for draft in ({"interests": ("Plain",), "exclude_interests": ("News",)}, {"interests": ("Mine",)}):
        house.add_interest("Plain")
        assert advance(house, house.schedule(house.create(**draft))) == "preparing"
    dynamic = house.schedule(house.create(interests=("Mine",)))
    with house.unit() as unit:
        unit.connection.execute(sa.text("UPDATE interest SET dynamic = true WHERE name = 'Mine'"))
    assert advance(house, dynamic) == "sending"  # a group that is read when it is used


def test_another_brand_is_not_synced(house, ams, made):
    """ID-P15: its interest has the same name."""
    house.add_person("zoe@example.org", brand_id=2)
    instance_id = house.schedule(house.create(brand_id=2), brand_id=2)
    lifecycle.advance(house.gateway, system_actor(2), instance_id)
    assert len(runs(house)) == 1


def test_cancelled_or_paused_while_the_run_is_at_work(house, ams, made):
    """SEND-3: both work at once; a resumed one goes on with the run that ended meanwhile."""
    first, second = house.schedule(), house.schedule()
    for instance_id in (first, second):
        advance(house, instance_id)
    assert len(runs(house)) == 2
    act(house, mailings.cancel, first)
    act(house, mailings.pause, second)
    sync.run_sync(house.gateway, 1, made)
    assert (advance(house, first), advance(house, second)) == ("cancelled", "paused")
    act(house, mailings.resume, second)
    assert advance(house, second) == "sending"


def test_a_run_that_began_before_the_instance_was_due_does_not_count(house, ams, made):
    """ID-66: also one that is still at work; and one of a clock that was far ahead never counts."""
    instance_id = house.schedule(delay_s=60)
    real, seen = ams.changed_since, []

    def late(since):
        house.clock.advance(minutes=2)
        seen.append(advance(house, instance_id))
        return real(since)

    ams.changed_since = late
    sync.run(house.gateway, 1, made)
    ams.changed_since = real
    asked = ("requested", "mailing", instance_id)
    assert (seen, runs(house)[1:]) == (["preparing"], [("success", "hand", None), asked])
    sync.run_sync(house.gateway, 1, made)
    with house.unit() as unit:
        unit.connection.execute(sa.update(sync_run).values(started_at=unit.now.replace(year=2099)))
    assert advance(house, instance_id) == "preparing"
    sync.run_sync(house.gateway, 1, made)
    assert advance(house, instance_id) == "sending"


def test_two_workers_make_one_run(house, ams, made):
    """ID-67: whoever comes second waits for the run of the first."""
    instance_id = house.schedule()
    start = threading.Barrier(2)

    def work():
        start.wait(30)
        advance(house, instance_id)
        sync.run_sync(house.gateway, 1, made)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [state for state, *_ in runs(house)] == ["success", "success"]
    assert advance(house, instance_id) == "sending"
