"""Does a system that cannot be called get every fact once, in order, and only its own? (ID-59..64)"""

import datetime as dt
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from gateway.bridges.port import RemoteMember
from gateway.db.models.sync import writeback
from gateway.db.queries import events
from gateway.domain.accounts import ADMIN, system_actor
from gateway.domain.events import NewEvent
from gateway.domain.paging import PageRequest
from gateway.domain.records import Identifier, ImportOptions, StatusEntry, SubscriberRecord
from gateway.domain.refusals import ErrorFilter
from gateway.domain.writeback import PULLED, Acknowledgement
from gateway.errors import GatewayError
from gateway.services import (
    erasure,
    imports,
    integrations,
    optout,
    refusals,
    subscribers,
    suppression,
    sync,
    writebackfeeds,
    writebacks,
)
from gateway.services import interests as interest_services
from tests.support.world import World


@pytest.fixture
def world(database_url, clock, tmp_path):
    with World(database_url, clock, tmp_path, brands=(1, 2)) as made:
        yield made


def pulling(world, name="ams", kinds=PULLED, brand_id=1):
    """An integration without a bridge that fetches its writebacks."""
    made = world.integration(name, brand_id=brand_id)
    choose(world, made, kinds, brand_id)
    return made


def choose(world, integration_id, kinds, brand_id=1):
    with world.gateway.unit(system_actor(brand_id)) as unit:
        integrations.set_pulls(unit, integration_id, kinds)


def import_people(world, *people, name="ams", brand_id=1, flag=None):
    with world.unit(world.actor(name, brand_id=brand_id)) as unit:
        report = imports.import_records(unit, [SubscriberRecord(remote_id, email, do_not_email=flag)
                                               for remote_id, email in people], ImportOptions())
    assert report.counters.failed == 0


def unsubscribe(world, email, brand_id=1, act=suppression.unsubscribe, name="phone"):
    """An unsubscribe by another system than the one that fetches."""
    with world.unit(world.actor(name, brand_id=brand_id)) as unit:
        assert act(unit, [StatusEntry(Identifier(email=email), "by phone")]).counters.failed == 0


def fetch(world, name="ams", brand_id=1, **options):
    world.clock.advance(seconds=1)  # a feed ends before this moment
    with world.gateway.feed(world.key_actor(name, brand_id=brand_id)) as unit:
        return writebackfeeds.find(unit, PageRequest(options.pop("size", None), options.pop("token", None)),
                                   **options).page


def items(world, name="ams", brand_id=1, **options):
    return [(row.remote_id, row.kind) for row in fetch(world, name, brand_id, **options).items]


def acknowledge(world, *said, name="ams", brand_id=1):
    with world.unit(world.key_actor(name, brand_id=brand_id)) as unit:
        report = writebackfeeds.acknowledge(unit, [Acknowledgement(*each) for each in said])
    return [each.problem.code if each.problem else each.status for each in report.outcomes]


def ids(world, name="ams", brand_id=1, **options):
    return [row.writeback_id for row in fetch(world, name, brand_id, **options).items]


def test_what_happened_is_fetched_and_acknowledged_once(world):
    """ID-63: unacknowledged rows until they are; twice is unchanged; nobody is called, nothing is an outage."""
    made = pulling(world)
    import_people(world, ("17", "ann@example.org"), ("18", "bo@example.org"))
    unsubscribe(world, "ann@example.org")
    unsubscribe(world, "bo@example.org")
    assert items(world) == items(world) == [("17", "unsubscribe"), ("18", "unsubscribe")]
    first, second = fetch(world).items
    assert (first.email, first.fact("origin"), first.fact("reason"), first.integration_id) == (
        "ann@example.org", "api", "by phone", made)
    assert writebacks.due(world.gateway) == []
    writebacks.run_writebacks(world.gateway, 1, made)
    with world.gateway.reading(system_actor(1)) as unit:
        assert integrations.get(unit, made).state == "up"
    assert acknowledge(world, (first.writeback_id, "Done"), (first.writeback_id, "Done")) == ["updated", "unchanged"]
    assert items(world) == [("18", "unsubscribe")]
    assert acknowledge(world, (first.writeback_id, "Done"), (second.writeback_id, "Done")) == ["unchanged", "updated"]
    assert items(world) == []
    assert items(world, state="sent") == [("17", "unsubscribe"), ("18", "unsubscribe")]
    assert acknowledge(world, (first.writeback_id, "Failed", "no such member")) == ["STATE_CONFLICT"]


def test_a_failed_acknowledgement_is_in_the_error_log_with_its_request(world):
    """PUSH-14: whoever dropped the answer finds it by the request."""
    pulling(world)
    assert acknowledge(world, (77, "Done")) == ["NOT_FOUND"]
    world.clock.advance(seconds=1)
    with world.gateway.feed(world.key_actor("ams")) as unit:
        [logged] = refusals.find(unit, ErrorFilter(), PageRequest()).items
    assert (logged.code, logged.request_id, logged.actor) == ("NOT_FOUND", "r-test", "key:1")


def test_killed_between_fact_and_commit_there_is_neither_and_then_each_once(world, tmp_path):
    """ID-59, ID-P13: kill -9 leaves no row without its fact; done again, it is one row, whose id stays."""
    pulling(world)
    import_people(world, ("17", "ann@example.org"))
    with subprocess.Popen([sys.executable, "-m", "tests.support.fact_worker", world.settings.database_url,
                           str(tmp_path)], stdout=subprocess.PIPE) as worker:
        assert worker.stdout.readline() == b"written\n"
        worker.kill()
    assert (items(world), status(world)) == ([], "active")
    for _ in range(2):
        unsubscribe(world, "ann@example.org")
    assert (items(world), status(world)) == ([("17", "unsubscribe")], "unsubscribed")
    [row] = ids(world)
    acknowledge(world, (row, "Failed"))
    world.clock.advance(minutes=6)
    assert ids(world) == [row]


def test_nobody_with_a_remote_id_is_shown_and_no_error(world, caplog):
    """ID-58: the log says for how many of a batch there was nobody to tell; an old fact is told to nobody."""
    pulling(world)
    import_people(world, ("17", "ann@example.org"))
    with caplog.at_level("INFO", logger="gateway.services"), world.unit(world.actor("phone")) as unit:
        report = suppression.unsubscribe(unit, [StatusEntry(Identifier(email=f"{name}@example.org"), None)
                                                for name in ("bo", "ann", "cy")])
    assert (report.counters.updated, report.counters.failed, items(world)) == (3, 0, [("17", "unsubscribe")])
    [told] = [record.fields for record in caplog.records if record.getMessage() == "no_remote_recipients"]
    assert (told["kind"], told["facts"], told["brand"]) == ("unsubscribe", 2, 1)
    with world.gateway.unit(system_actor(1)) as unit:
        old = unit.now - dt.timedelta(days=30)
        event_id = events.add(unit.connection, 1, NewEvent("unsubscribed", old, "long ago"), unit.now)
        assert writebacks.queue(unit, kind="unsubscribe", event_id=event_id, email="ann@example.org", payload={}) == 0


def test_nobody_is_rung_for_rows_that_are_fetched(world):
    """ID-63: the fact and its row are one transaction; no job is made for it."""
    pulling(world)
    import_people(world, ("17", "ann@example.org"))
    with pytest.raises(ZeroDivisionError), world.unit(world.actor("phone")) as unit:
        suppression.unsubscribe(unit, [StatusEntry(Identifier(email="ann@example.org"), None)])
        assert "run_writebacks" not in {ring.task for ring in unit.rings}
        assert unit.connection.scalar(sa.select(sa.func.count()).select_from(writeback)) == 1
        raise ZeroDivisionError
    assert items(world) == []


def test_only_ones_own_rows(world):
    """Every list and acknowledgement is of one brand and one integration; another's id is like one that is not there.
    """
    for brand_id in (1, 2):
        for name in ("ams", "crm"):
            pulling(world, name, brand_id=brand_id)
            import_people(world, (f"{name}-{brand_id}", "ann@example.org"), name=name, brand_id=brand_id)
        unsubscribe(world, "ann@example.org", brand_id)
    everything = {(brand_id, name): ids(world, name, brand_id) for brand_id in (1, 2) for name in ("ams", "crm")}
    assert [len(found) for found in everything.values()] == [1, 1, 1, 1]
    [mine] = everything[1, "ams"]
    assert items(world) == [("ams-1", "unsubscribe")]
    for (brand_id, name), [found] in everything.items():
        if found != mine:
            assert acknowledge(world, (found, "Done"), (found, "Failed")) == ["NOT_FOUND", "NOT_FOUND"]
            with pytest.raises(GatewayError, match="no writeback"), world.unit(world.key_actor("ams")) as unit:
                writebackfeeds.dismiss(unit, found)
            assert ids(world, name, brand_id) == [found]
    with pytest.raises(GatewayError) as caught, world.gateway.feed(world.key_actor("ams")) as unit:
        writebackfeeds.find(unit, PageRequest(), integration="crm")
    assert caught.value.code == "NOT_ALLOWED"
    with world.gateway.feed(world.actor("ams", role=ADMIN)) as unit:
        feed = writebackfeeds.find(unit, PageRequest(), integration="crm")
        assert (feed.integration, [row.remote_id for row in feed.page.items]) == ("crm", ["crm-1"])
    fetched = fetch(world, size=1)
    assert fetched.next_token is None


def test_the_credentials_need_the_right(world):
    """PUSH-43: scope writeback; of users only administrators have it."""
    pulling(world)
    for actor in (world.key_actor("ams", scopes=("import", "report", "send")), world.actor("ams")):
        for act in (lambda unit: writebackfeeds.find(unit, PageRequest()),
                    lambda unit: writebackfeeds.acknowledge(unit, []), lambda unit: writebackfeeds.retry(unit, 1)):
            with pytest.raises(GatewayError) as caught, world.unit(actor) as unit:
                act(unit)
            assert caught.value.code == "NOT_ALLOWED"


def test_the_oldest_of_a_person_first_and_others_go_on(world):
    """ID-61: a row that is stuck blocks only later rows of its own key."""
    pulling(world)
    import_people(world, ("17", "ann@example.org"), ("18", "bo@example.org"))
    unsubscribe(world, "ann@example.org")
    unsubscribe(world, "ann@example.org", act=suppression.resubscribe)
    unsubscribe(world, "bo@example.org")
    assert items(world) == [("17", "unsubscribe"), ("18", "unsubscribe")]
    [stuck, other] = ids(world)
    assert acknowledge(world, (stuck, "Failed", "locked"), (other, "Done")) == ["updated", "updated"]
    assert items(world) == []
    world.clock.advance(minutes=5)
    assert ids(world) == [stuck]
    assert acknowledge(world, (stuck, "Done")) == ["updated"]
    assert items(world) == [("17", "resubscribe")]


def test_what_fails_has_two_more_tries_then_waits_for_a_person(world):
    """ID-60: after 5 and 30 minutes, then failed and listed, until it is retried or dismissed, or done after all."""
    pulling(world)
    import_people(world, ("17", "ann@example.org"))
    unsubscribe(world, "ann@example.org")
    [row] = ids(world)
    for wait in (5, 30):
        assert acknowledge(world, (row, "Failed", "no such member"), (row, "Failed", "again")) == [
            "updated", "unchanged"]
        assert acknowledge(world, (row, "Failed")) == ["unchanged"]
        world.clock.advance(minutes=wait, seconds=-3)
        assert ids(world) == []
        world.clock.advance(seconds=3)
        assert ids(world) == [row]
    assert acknowledge(world, (row, "Failed", "x" * 2000)) == ["updated"]
    world.clock.advance(days=1)
    assert ids(world) == []
    [dead] = fetch(world, state="failed").items
    assert (dead.tries, dead.message) == (3, "x" * 1000)
    assert acknowledge(world, (row, "Failed")) == ["unchanged"]
    with world.unit(world.key_actor("ams")) as unit:
        writebackfeeds.retry(unit, row)
    assert ids(world) == [row]
    for wait in (6, 31, 0):
        acknowledge(world, (row, "Failed"))
        world.clock.advance(minutes=wait)
    assert ids(world, state="failed") == [row]
    assert acknowledge(world, (row, "Done")) == ["updated"]
    unsubscribe(world, "ann@example.org", act=suppression.resubscribe)
    [later] = ids(world)
    with world.unit(world.key_actor("ams")) as unit:
        writebackfeeds.dismiss(unit, later)
    assert ids(world) == []
    assert acknowledge(world, (later, "Done"), (later, "Failed")) == ["unchanged", "unchanged"]
    assert ids(world, state="closed") == [later]


def test_rows_expire_listed_and_may_still_be_acknowledged(world):
    """ID-60: older than 30 days: expired, listed, never silently dropped."""
    made = pulling(world)
    import_people(world, ("17", "ann@example.org"))
    unsubscribe(world, "ann@example.org")
    [row] = ids(world)
    world.clock.advance(days=30)
    assert writebacks.due(world.gateway) == [(1, made)]
    writebacks.run_writebacks(world.gateway, 1, made)
    assert writebacks.due(world.gateway) == []
    assert (ids(world), ids(world, state="expired")) == ([], [row])
    assert acknowledge(world, (row, "Failed"), (row, "Done")) == ["unchanged", "updated"]


def test_pages(world):
    """ID-63: the token only pages; what was acknowledged meanwhile is not there any more, and nothing is skipped."""
    pulling(world)
    import_people(world, *((str(number), f"p{number}@example.org") for number in range(5)))
    for number in range(5):
        unsubscribe(world, f"p{number}@example.org")
    first = fetch(world, size=2)
    again = fetch(world, size=2, token=first.next_token)
    assert [row.remote_id for row in (*first.items, *again.items)] == ["0", "1", "2", "3"]
    acknowledge(world, *((row.writeback_id, "Done") for row in (*first.items, again.items[0])))
    rest = fetch(world, size=2, token=first.next_token)
    assert ([row.remote_id for row in rest.items], rest.next_token) == (["3", "4"], None)
    with pytest.raises(GatewayError) as caught:
        fetch(world, token=first.next_token, state="failed")
    assert caught.value.code == "INVALID_TOKEN"
    with pytest.raises(GatewayError) as caught:
        fetch(world, state="waiting")
    assert (caught.value.code, caught.value.field) == ("INVALID_VALUE", "state")


def test_two_at_once_settle_a_row_once(world):
    """ID-63: whoever comes second is told that nothing changed, and one refusal is one try."""
    pulling(world)
    import_people(world, ("17", "ann@example.org"))
    unsubscribe(world, "ann@example.org")
    [row] = ids(world)
    together = threading.Barrier(4)

    def say():
        together.wait(30)
        return acknowledge(world, (row, "Failed", "locked"))

    with ThreadPoolExecutor(4) as pool:
        said = [each.result(60) for each in [pool.submit(say) for _ in range(4)]]
    assert sorted(said) == [["unchanged"], ["unchanged"], ["unchanged"], ["updated"]]
    [refused] = fetch(world, state="error").items
    assert refused.tries == 1


def test_bad_acknowledgements_fail_alone(world):
    """SOAP-34: nothing else of the call is touched; what failed is in the error log's table."""
    pulling(world)
    import_people(world, ("17", "ann@example.org"))
    unsubscribe(world, "ann@example.org")
    [row] = ids(world)
    assert acknowledge(world, (None, "Done"), (row, "Failed", "a\x00b"), (row + 1, "Done"), (row, "Done")) == [
        "NOT_FOUND", "INVALID_CHARACTER", "NOT_FOUND", "updated"]
    with pytest.raises(GatewayError) as caught:
        acknowledge(world, *[(row, "Done")] * 1001)
    assert caught.value.code == "TOO_MANY_RECORDS"


def test_which_kinds_it_takes(world):
    """ID-53, ID-56: unsubscribes in any case; others as it says; interests only if it asks for them."""
    pulling(world, kinds=("interest_left",))
    import_people(world, ("17", "ann@example.org"))
    with world.unit(world.actor("phone")) as unit:
        interest_services.create(unit, "News", None, False)
        optout.opt_out(unit, ["News"], [StatusEntry(Identifier(email="ann@example.org"), None)])
    assert items(world) == [("17", "interest_left")]
    acknowledge(world, *((row, "Done") for row in ids(world)))
    unsubscribe(world, "ann@example.org")
    acknowledge(world, *((row, "Done") for row in ids(world)))
    unsubscribe(world, "ann@example.org", act=suppression.resubscribe)
    assert items(world, state="sent") == [("17", "interest_left"), ("17", "unsubscribe")]
    assert items(world) == []
    made = pulling(world)
    with world.unit(world.actor("phone")) as unit:
        optout.opt_out(unit, ["News"], [StatusEntry(Identifier(email="ann@example.org"), None)])
    assert items(world) == []
    with pytest.raises(GatewayError) as caught:
        choose(world, made, ("nonsense",))
    assert caught.value.code == "INVALID_VALUE"
    with pytest.raises(GatewayError) as caught, world.unit(world.actor("ams")) as unit:
        integrations.set_pulls(unit, made, PULLED)
    assert caught.value.code == "NOT_ALLOWED"
    with pytest.raises(GatewayError) as caught:
        choose(world, made, PULLED, brand_id=2)
    assert caught.value.code == "NOT_FOUND"


def test_its_own_call_tells_it_nothing(world):
    """ID-53: not the integration whose call made it."""
    pulling(world)
    import_people(world, ("17", "ann@example.org"))
    unsubscribe(world, "ann@example.org", name="ams")
    assert items(world) == []


def test_switched_off_open_rows_stay(world):
    """No new rows; those that wait may still be acknowledged, and nobody is called for them."""
    made = pulling(world)
    import_people(world, ("17", "ann@example.org"), ("18", "bo@example.org"))
    unsubscribe(world, "ann@example.org")
    choose(world, made, ())
    unsubscribe(world, "bo@example.org")
    assert writebacks.due(world.gateway) == []
    [row] = ids(world)
    assert acknowledge(world, (row, "Done")) == ["updated"]


def test_a_bridge_that_may_only_read(world, ams):
    """ID-63, ID-64: rows are fetched, not written; while one is open it beats the sync; an outage is over."""
    with world.gateway.unit(system_actor(1)) as unit:
        made = integrations.add(unit, "ams", "memory", {})
    ams.put("17", "ann@example.org")
    assert sync.run(world.gateway, 1, made).state == "success"
    unsubscribe(world, "ann@example.org")
    ams.is_away = True
    writebacks.run_writebacks(world.gateway, 1, made)
    with pytest.raises(GatewayError) as caught:
        acknowledge(world, *((row, "Done") for row in ids(world)))
    assert (caught.value.code, caught.value.field) == ("STATE_CONFLICT", "integration")
    choose(world, made, PULLED)
    ams.is_away = False
    with world.gateway.reading(system_actor(1)) as unit:
        assert integrations.get(unit, made).state == "up"
    writebacks.run_writebacks(world.gateway, 1, made)
    assert writebacks.due(world.gateway) == []
    [row] = ids(world)
    world.clock.advance(hours=1)
    assert sync.run(world.gateway, 1, made, full=True).state == "success"
    assert status(world) == "unsubscribed"
    assert acknowledge(world, (row, "Done")) == ["updated"]
    choose(world, made, ())
    unsubscribe(world, "ann@example.org", act=suppression.resubscribe)
    assert writebacks.due(world.gateway) == [(1, made)]


def test_an_open_resubscribe_beats_the_flag_that_a_sync_reads(world, ams):
    """ID-64: fetched but not acknowledged, it is open; acknowledged, the source's word counts again."""
    with world.gateway.unit(system_actor(1)) as unit:
        made = integrations.add(unit, "ams", "memory", {})
    choose(world, made, PULLED)
    ams.people[:] = [RemoteMember("17", "ann@example.org", do_not_email=False)]
    assert sync.run(world.gateway, 1, made).state == "success"
    unsubscribe(world, "ann@example.org")
    acknowledge(world, *((row, "Done") for row in ids(world)))
    unsubscribe(world, "ann@example.org", act=suppression.resubscribe)
    ams.people[:] = [RemoteMember("17", "ann@example.org", do_not_email=True)]
    [row] = ids(world)
    world.clock.advance(hours=1)
    assert sync.run(world.gateway, 1, made, full=True).state == "success"
    assert status(world) == "active"
    acknowledge(world, (row, "Done"))
    world.clock.advance(hours=1)
    assert sync.run(world.gateway, 1, made, full=True).state == "success"
    assert status(world) == "unsubscribed"


def test_an_import_does_not_undo_what_waits_to_be_fetched(world):
    """ID-49: the system that has not heard of it yet sends the person as before."""
    pulling(world)
    import_people(world, ("17", "ann@example.org"))
    unsubscribe(world, "ann@example.org")
    import_people(world, ("17", "ann@example.org"), flag=False)
    assert status(world) == "unsubscribed"
    assert items(world) == [("17", "unsubscribe")]


def test_an_erasure_closes_what_was_not_fetched(world):
    """ID-35: nothing of the person is in the feed afterwards."""
    pulling(world)
    import_people(world, ("17", "ann@example.org"))
    unsubscribe(world, "ann@example.org")
    [row] = ids(world)
    with world.gateway.unit(system_actor(1)) as unit:
        erasure.erase(unit, Identifier(email="ann@example.org"), confirmed=True, close_writebacks=True)
    assert ids(world) == []
    assert acknowledge(world, (row, "Done")) == ["unchanged"]
    [closed] = fetch(world, state="closed").items
    assert (closed.remote_id, closed.email, closed.payload) == ("", None, {})


def status(world):
    with world.gateway.reading(world.actor("ams")) as unit:
        return subscribers.get(unit, Identifier(remote_id="17")).status
