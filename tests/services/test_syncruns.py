"""When does an integration sync, who asked, what was told, and does a wrong clock or a kill stop it? (ID-66..72)"""

import datetime as dt

import pytest
import sqlalchemy as sa

from gateway.bridges import registry
from gateway.bridges.port import MemberStream
from gateway.clock import UTC
from gateway.db.models.mailings import instance
from gateway.db.models.sync import sync_run
from gateway.domain.accounts import system_actor
from gateway.domain.paging import PageRequest
from gateway.errors import GatewayError
from gateway.services import brandsettings, integrations, sync, syncchoices, synchealth, syncnotices, syncruns
from gateway.services.syncruns import Wish
from tests.support.ams import MemoryAms
from tests.support.mailhouse import MailHouse


@pytest.fixture
def world(database_url, clock, tmp_path, sink):
    with MailHouse(database_url, clock, tmp_path, smtp_url=sink.url, brands=(1, 2)) as made:
        yield made


@pytest.fixture
def made(world, ams):
    with world.gateway.unit(system_actor(1)) as unit:
        made = integrations.add(unit, "crm", "memory", {})
    ams.put("17", "ann@example.org")
    ams.put("18", "bo@example.org")
    return made


class WithCursor(MemoryAms):
    """One that can tell what changed: nothing ever."""

    def __init__(self):
        super().__init__()
        self.since = []

    def changed_since(self, since):
        self.since.append(since)
        return MemberStream(iter(self.people if since is None else []), lists_everybody=since is None, cursor="c")


def choose(world, made, **wanted):
    with world.gateway.unit(system_actor(1)) as unit:
        return syncchoices.choose(unit, made, wanted)


def run(world, made, **options):
    report = sync.run(world.gateway, 1, made, **options)
    world.clock.advance(minutes=1)
    return report


def worked(world, made):
    """A worker rung for the integration; answers how the newest run stands."""
    sync.run_sync(world.gateway, 1, made)
    return runs(world)[-1]


def runs(world, *columns):
    with world.reading() as unit:
        wanted = columns or (sync_run.c.state, sync_run.c.trigger, sync_run.c.full_run)
        return [tuple(row) for row in unit.connection.execute(sa.select(*wanted).order_by(sync_run.c.id))]


def next_at(world, made):
    with world.reading(system_actor(1)) as unit:
        return integrations.get(unit, made).next_sync_at


def set_clock(world, *moment):
    world.clock.now = dt.datetime(*moment, tzinfo=UTC)


def is_due(world, made):
    return sync.due(world.gateway) == [(1, made)]


# --- schedule (ID-66) --------------------------------------------------------------------------------------------


def test_a_schedule_in_a_time_zone(world, ams, made):
    """ID-66: set, counted on at each run; a host that was off runs what it missed once."""
    told = choose(world, made, schedule="30 2 * * *", timeZone="Europe/Berlin")
    assert told["nextSyncAt"] == next_at(world, made) == dt.datetime(2026, 1, 16, 1, 30, tzinfo=UTC)
    world.clock.advance(days=1)
    assert sync.due(world.gateway) == []  # the first run is a person's decision
    run(world, made)
    assert next_at(world, made) == dt.datetime(2026, 1, 17, 1, 30, tzinfo=UTC)
    set_clock(world, 2026, 1, 17, 1, 29)
    assert not is_due(world, made)
    set_clock(world, 2026, 1, 21, 12)
    assert is_due(world, made)
    assert worked(world, made) == ("success", "schedule", True)
    sync.run_sync(world.gateway, 1, made)  # rung once more: nothing is due
    assert (len(runs(world)), next_at(world, made)) == (2, dt.datetime(2026, 1, 22, 1, 30, tzinfo=UTC))


def test_an_hour_that_does_not_exist_or_comes_twice_is_one_run(world, ams, made):
    """ID-66: daylight saving in Berlin, spring and autumn."""
    choose(world, made, schedule="30 2 * * *", timeZone="Europe/Berlin")
    for day, times in ((dt.datetime(2026, 3, 28, 12, tzinfo=UTC), ["03-29 01:00", "03-30 00:30"]),
                       (dt.datetime(2026, 10, 24, 12, tzinfo=UTC), ["10-25 00:30", "10-26 01:30"])):
        world.clock.now = day
        run(world, made)
        for time in times:
            assert f"{next_at(world, made):%m-%d %H:%M}" == time
            world.clock.now = next_at(world, made)
            assert worked(world, made)[0] == "success"


def test_off_and_back_to_the_usual_rule(world, ams, made):
    """ID-66: off is never, not even after a failure; none is the rule again."""
    run(world, made)
    assert choose(world, made, schedule="off")["nextSyncAt"] is None
    ams.is_away = True
    run(world, made)
    world.clock.advance(days=30)
    assert sync.due(world.gateway) == []
    assert choose(world, made, schedule="none")["nextSyncAt"] is not None
    assert is_due(world, made)


@pytest.mark.parametrize(("name", "text"), [
    ("schedule", "61 2 * * *"), ("schedule", "0 0 30 2 *"), ("schedule", "* * * * * *"), ("schedule", "daily"),
    ("timeZone", "Berlin"), ("brakeShare", "1.5"), ("brakeRows", "-1"), ("fullEveryDays", "0"),
    ("beforeMailing", "maybe"), ("goOnHours", "9999"), ("what", "1")])
def test_a_choice_that_makes_no_sense_is_refused(world, ams, made, name, text):
    with pytest.raises(GatewayError) as caught:
        choose(world, made, **{"fullEveryDays": "3", name: text})
    assert caught.value.code == "INVALID_VALUE"
    with world.reading(system_actor(1)) as unit:
        assert integrations.get(unit, made).choices == {}


def test_choices_are_an_administrators_and_their_brands(world, ams, made):
    """ID-P15; and only for an integration with a bridge."""
    for actor, integration_id, code in ((world.actor(), made, "NOT_ALLOWED"), (system_actor(2), made, "NOT_FOUND"),
                                        (system_actor(1), world.integration("api"), "STATE_CONFLICT")):
        with pytest.raises(GatewayError) as caught, world.gateway.unit(actor) as unit:
            syncchoices.choose(unit, integration_id, {"schedule": "off"})
        assert caught.value.code == code


def test_the_usual_rule_goes_by_how_the_interests_are_used(world, monkeypatch):
    """ID-66: weekly if nobody mails them; nightly if new or mailed lately; hourly before a mailing, with a cursor."""
    ams = WithCursor()
    monkeypatch.setitem(registry.FACTORIES, "memory", lambda config: ams)
    with world.gateway.unit(system_actor(1)) as unit:
        made = integrations.add(unit, "crm", "memory", {})
    ams.put("17", "ann@example.org", 0, "News")
    hours = []
    for days in (0, 10):
        world.clock.advance(days=days)
        sync.run(world.gateway, 1, made, full=False)
        hours.append((next_at(world, made) - world.clock.now) / dt.timedelta(hours=1))
    instance_id = world.schedule(delay_s=3600)
    sync.run(world.gateway, 1, made, full=False)
    hours.append((next_at(world, made) - world.clock.now) / dt.timedelta(hours=1))
    with world.unit() as unit:
        unit.connection.execute(sa.update(instance).where(instance.c.id == instance_id).values(
            state="sent", frozen_at=unit.now))
    sync.run(world.gateway, 1, made, full=False)
    hours.append((next_at(world, made) - world.clock.now) / dt.timedelta(hours=1))
    assert hours == [24, 168, 1, 24]


def test_everybody_is_read_once_a_week(world, monkeypatch):
    """ID-66: between, only what changed; a full run by a clock that was far ahead does not count for years."""
    ams = WithCursor()
    monkeypatch.setitem(registry.FACTORIES, "memory", lambda config: ams)
    with world.gateway.unit(system_actor(1)) as unit:
        made = integrations.add(unit, "crm", "memory", {})
    ams.put("17", "ann@example.org")
    choose(world, made, schedule="0 * * * *", fullEveryDays="2")
    run(world, made)
    for _ in range(3):
        world.clock.advance(hours=20)
        worked(world, made)
    assert ams.since == [None, "c", "c", None]
    with world.unit() as unit:
        unit.connection.execute(sa.update(sync_run).values(started_at=unit.now.replace(year=2099)))
    worked(world, made)
    assert ams.since[-1] is None


# --- asking ------------------------------------------------------------------------------------------------------


def test_a_wish_is_a_row_that_a_worker_takes(world, ams, made):
    """ID-66: asked twice before it begins, it is one run that does what either asked for."""
    with world.unit(world.actor(role="admin", integration="crm")) as unit:
        first = syncruns.start(unit, "crm")
        again = syncruns.start(unit, "crm", full=True, release=True)
    assert (first.run_id, first.state, again.full, again.released_by) == (again.run_id, "requested", True,
                                                                          "user:tester")
    assert is_due(world, made)
    assert worked(world, made) == ("success", "hand", True)
    assert runs(world, sync_run.c.requested_by, sync_run.c.released_by) == [("user:tester", "user:tester")]
    assert sync.due(world.gateway) == []


def test_who_may_ask_and_who_may_release(world, ams, made):
    """ID-70, ID-P15"""
    for actor, name, release, code in (
            (world.actor(role="reader", integration="crm"), "crm", False, "NOT_ALLOWED"),
            (world.actor(role="sender", integration="crm"), "crm", True, "NOT_ALLOWED"),
            (world.actor(role="admin", brand_id=2), "crm", False, "NOT_FOUND"),
            (world.actor(role="admin"), "api", False, "STATE_CONFLICT")):
        with pytest.raises(GatewayError) as caught, world.unit(actor) as unit:
            syncruns.start(unit, name, release=release)
        assert caught.value.code == code
    assert runs(world) == []


def test_runs_are_listed_by_brand_state_and_integration(world, ams, made):
    """ID-72, ID-P15"""
    run(world, made)
    ams.is_away = True
    run(world, made)
    with world.gateway.feed(system_actor(1)) as unit:
        page = syncruns.find(unit, PageRequest(1), integration="crm")
        rest = syncruns.find(unit, PageRequest(1, page.next_token), integration="crm")
        failed = syncruns.find(unit, PageRequest(), state="failed").items
        assert [each.state for each in (*page.items, *rest.items, *failed)] == ["success", "failed", "failed"]
        assert (rest.next_token, page.items[0].counters["new"]) == (None, 2)
        with pytest.raises(GatewayError):
            syncruns.find(unit, PageRequest(), state="odd")
    with world.gateway.feed(system_actor(2)) as unit:
        assert syncruns.find(unit, PageRequest()).items == ()
        with pytest.raises(GatewayError) as caught:
            syncruns.get(unit, page.items[0].run_id)
        assert caught.value.code == "NOT_FOUND"


def test_a_held_run_names_people_until_the_next(world, ams, made):
    """ID-70: the integration's own brake, over the brand's; whoever must decide sees whom it is about."""
    for number in range(30):
        ams.put(str(number + 100), f"m{number}@example.org")
    run(world, made)
    choose(world, made, brakeRows="2", brakeShare="0.05")
    del ams.people[:4]
    held = run(world, made)
    assert held.state == "held" and "4 of 32 links to end" in held.message
    with world.reading(system_actor(1)) as unit:
        view = syncruns.get(unit, held.run_id)
    assert {sample.remote_id for sample in view.samples["swept"]} == {"17", "18", "100", "101"}
    with world.unit(world.actor(role="admin", integration="crm")) as unit:
        syncruns.start(unit, "crm", release=True)
    assert worked(world, made)[0] == "success"
    with world.reading(system_actor(1)) as unit:
        assert syncruns.get(unit, held.run_id).samples == {}
    choose(world, made, brakeRows="none", brakeShare="none")
    del ams.people[:4]
    assert run(world, made).state == "success"


# --- clocks ------------------------------------------------------------------------------------------------------


def test_a_run_of_a_clock_that_was_far_ahead_blocks_nothing_for_long(world, ams, made):
    """ID-69: not the schedule, not the lease, not the sweep of links made then; only the next run sweeps nothing."""
    right = world.clock.now
    world.clock.now = right.replace(year=2099)
    run(world, made)
    with world.gateway.unit(system_actor(1, "sync")) as unit:
        actor_unit = integrations.get(unit, made)
    with world.gateway.unit(world.actor("crm")) as unit:
        syncruns.begin(unit, actor_unit, Wish())  # its worker dies
    world.clock.now = right
    del ams.people[:1]
    assert is_due(world, made)
    assert worked(world, made) == ("partial", "hand", True)
    world.clock.advance(hours=25)
    assert is_due(world, made)
    worked(world, made)
    assert runs(world, sync_run.c.state) == [("success",), ("failed",), ("partial",), ("success",)]
    with world.reading(system_actor(1)) as unit:
        assert syncruns.last(unit, 1)[0].counters["swept"] == 1


def test_a_clock_that_is_set_back_while_the_source_is_read_sweeps_nothing(world, ams, made):
    """ID-69: which links were made meanwhile cannot be said any more; the run itself goes on."""
    run(world, made)
    ams.people.pop()
    world.clock.advance(hours=2)
    real = ams.changed_since

    def read(since):
        world.clock.advance(hours=-1)
        return real(since)

    ams.changed_since = read
    report = run(world, made)
    assert (report.state, report.counters["held"], report.counters["swept"]) == ("partial", 1, 0)
    ams.changed_since = real
    world.clock.advance(hours=2)
    assert run(world, made).counters["swept"] == 1


def test_three_dead_workers_in_a_row_leave_the_run_to_the_schedule(world, ams, made, monkeypatch):
    """ID-67: each time it is done again as it was asked for, with full, release and trigger."""
    run(world, made)

    def die(since):
        raise MemoryError  # as good as a kill: nothing is closed

    monkeypatch.setattr(ams, "changed_since", die)
    with world.unit(world.actor(role="admin", integration="crm")) as unit:
        syncruns.start(unit, "crm", full=True, release=True)
    for _ in range(3):
        with pytest.raises(MemoryError):
            sync.run_sync(world.gateway, 1, made)
        world.clock.advance(minutes=5, seconds=1)
    assert is_due(world, made)
    sync.run_sync(world.gateway, 1, made)
    assert runs(world)[1:] == [("failed", "hand", True)] * 3
    assert [by for _, by in runs(world, sync_run.c.id, sync_run.c.released_by)] == [None] + ["user:tester"] * 3
    assert sync.due(world.gateway) == []
    monkeypatch.undo()
    monkeypatch.setitem(registry.FACTORIES, "memory", lambda config: ams)
    world.clock.advance(hours=1)
    assert worked(world, made) == ("success", "schedule", True)


def test_a_bridge_that_cannot_be_made_fails_the_run(world, ams, made, monkeypatch):
    """ID-72: its configuration does not open any more; people are told, and no worker is thought dead."""
    def refuse(config):
        raise GatewayError("INVALID_VALUE", "The bridge needs a url.", field="config.url")

    monkeypatch.setitem(registry.FACTORIES, "memory", refuse)
    with world.unit(world.actor(role="admin", integration="crm")) as unit:
        syncruns.start(unit, "crm")
    assert worked(world, made)[0] == "failed"
    assert runs(world, sync_run.c.message) == [("The bridge needs a url.",)]
    assert len(syncnotices.due(world.gateway)) == 1


# --- told --------------------------------------------------------------------------------------------------------


def test_people_are_told_at_each_change_once(world, ams, made, sink):
    """ID-67, ID-70: failed, again after a week, and when it works again; never of a success after a success."""
    with world.gateway.unit(system_actor(1)) as unit:
        brandsettings.change(unit, {"notifyAddress": "office@example.org"})

    def told(state=None):
        ams.is_away = state == "failed"
        if state is not None:
            run(world, made)
        for brand_id, run_id in syncnotices.due(world.gateway):
            for _ in range(2):
                syncnotices.tell(world.gateway, brand_id, run_id)
        assert syncnotices.due(world.gateway) == []
        return len(sink.messages)

    assert [told("success"), told("failed"), told("failed")] == [0, 1, 1]
    world.clock.advance(days=7)
    assert [told("failed"), told("success"), told("success"), told("failed")] == [2, 3, 3, 4]
    text = sink.messages[0].data.decode()
    assert "Subject: Sync of crm: failed" in text and "The system is away." in text


def test_a_brand_that_names_nobody_is_not_asked_about_again(world, ams, made):
    ams.is_away = True
    run(world, made)
    ((brand_id, run_id),) = syncnotices.due(world.gateway)
    syncnotices.tell(world.gateway, brand_id, run_id)
    assert syncnotices.due(world.gateway) == []


def test_metrics_and_the_doctor(world, ams, made):
    """ID-67: the age of the last complete run, links, held; one that missed its schedule twice is named."""
    assert synchealth.check(world.gateway) == (True, "no integration is synced")
    choose(world, made, schedule="0 2 * * 1-5")
    run(world, made)  # a Thursday
    with world.reading(system_actor(0)) as unit:
        found = synchealth.metrics(unit)
    assert found["gateway_sync_runs", "state", "success"] == 1
    assert found["gateway_sync_links", "integration", str(made)] == 2
    assert (found["gateway_sync_last_success_age_seconds", "integration", str(made)],
            found["gateway_sync_held", "integration", str(made)]) == (60, 0)
    ams.is_away = True
    set_clock(world, 2026, 1, 19, 1)  # Friday's run alone was missed
    assert synchealth.check(world.gateway)[0]
    set_clock(world, 2026, 1, 19, 3)
    well, words = synchealth.check(world.gateway)
    assert not well and "integration crm was synced completely 3 days ago" in words
