"""Does a system without a bridge hear of every fact by a signed post, once, in order, whatever breaks? (ID-60..63)"""

import base64
import datetime as dt
import threading

import pytest
import sqlalchemy as sa

from gateway.db.models.accounts import integration
from gateway.domain.accounts import ADMIN, SENDER, system_actor
from gateway.domain.paging import PageRequest
from gateway.domain.records import Identifier, ImportOptions, StatusEntry, SubscriberRecord
from gateway.domain.writeback import FIELD_CHANGED, PULLED, Acknowledgement, WritebackFilter
from gateway.errors import GatewayError
from gateway.services import imports, integrations, suppression, webhooks, writebackfeeds, writebacks
from gateway.services.gateway import Ring
from tests.support.fieldchanges import change_field
from tests.support.receiver import Receiver
from tests.support.world import World


@pytest.fixture
def world(database_url, clock, tmp_path):
    with World(database_url, clock, tmp_path, brands=(1, 2)) as made:
        yield made


@pytest.fixture
def receiver():
    with Receiver() as made:
        yield made


def hook(world, receiver, **choices):
    """An integration of kind api whose writebacks are posted to the receiver, which knows its secret."""
    made = world.integration("ams")
    with world.gateway.unit(system_actor(1)) as unit:
        secret = webhooks.set_up(unit, made, receiver.url, **choices)
    receiver.secrets += [] if secret is None else [secret]
    return made


def unsubscribe(world, *emails, act=suppression.unsubscribe, role=SENDER):
    with world.unit(world.actor("phone", role=role)) as unit:
        report = act(unit, [StatusEntry(Identifier(email=email), "by phone") for email in emails])
    assert report.counters.failed == 0


def people(world, *ids):
    with world.unit(world.actor("ams")) as unit:
        imports.import_records(unit, [SubscriberRecord(each, f"{each}@example.org") for each in ids], ImportOptions())


def rows(world, state=None):
    world.clock.advance(seconds=1)
    with world.gateway.feed(system_actor(1)) as unit:
        return writebacks.find(unit, WritebackFilter(state=state), PageRequest()).items


def run(world, made):
    writebacks.run_writebacks(world.gateway, 1, made)


def view(world, made):
    with world.gateway.reading(system_actor(1)) as unit:
        return integrations.get(unit, made)


def test_a_fact_is_posted_once_and_verified(world, receiver):
    """ID-53, ID-63: headers and body as the Standard Webhooks specification says; the receiver checks by itself."""
    made = hook(world, receiver)
    people(world, "ann")
    unsubscribe(world, "ann@example.org")
    assert writebacks.due(world.gateway) == [(1, made)]
    run(world, made)
    [row] = rows(world)
    assert row.state == "sent"
    assert receiver.seen == [{
        "type": "writeback.unsubscribe", "timestamp": "2026-01-15T12:00:00.000Z", "data": {
            "id": str(row.writeback_id), "remoteId": "ann", "email": "ann@example.org",
            "occurredAt": "2026-01-15T12:00:00.000Z", "origin": "api", "reason": "by phone"}}]
    assert receiver.headers[0]["webhook-id"] == f"wb-{row.writeback_id}"
    assert receiver.headers[0]["webhook-timestamp"] == str(int(dt.datetime(2026, 1, 15, 12, tzinfo=dt.UTC).timestamp()))
    run(world, made)
    assert (len(receiver.headers), writebacks.due(world.gateway)) == (1, [])


def test_the_same_id_comes_again_with_a_time_of_its_own(world, receiver):
    """ID-62: who refused, or answered too late, knows the repetition by its id; old signatures are worth nothing."""
    made = hook(world, receiver)
    people(world, "ann")
    unsubscribe(world, "ann@example.org")
    receiver.answers = [422]
    run(world, made)
    assert (rows(world)[0].state, rows(world)[0].tries) == ("error", 1)
    assert rows(world)[0].message == "The receiver of the webhook does not take it (HTTP status 422)."
    world.clock.advance(minutes=5)
    run(world, made)
    first, second = receiver.headers
    assert first["webhook-id"] == second["webhook-id"]
    assert first["webhook-timestamp"] != second["webhook-timestamp"]
    assert first["webhook-signature"] != second["webhook-signature"]
    assert rows(world)[0].state == "sent"


def test_stored_is_stored_whatever_else_is_said(world, receiver):
    """ID-62, ID-63: a long or compressed answer of 2xx is no refusal: only its status counts."""
    made = hook(world, receiver)
    people(world, "ann", "bo", "cy")
    unsubscribe(world, "ann@example.org", "bo@example.org", "cy@example.org")
    receiver.answers, receiver.says, receiver.encoding = [200, 200], b"x" * (17 << 20), "gzip"
    run(world, made)
    assert [(row.state, row.tries) for row in rows(world)] == [("sent", 0)] * 3
    assert len(receiver.headers) == 3


@pytest.mark.parametrize("status", [500, 503, 401, 408, 410, 429, 302])
def test_an_outage_uses_no_try_and_is_probed(world, receiver, status):
    """ID-60: 1, 2, 4 minutes; no redirect is followed; a receiver that is gone is not given up."""
    made = hook(world, receiver)
    people(world, "ann")
    unsubscribe(world, "ann@example.org")
    receiver.answers, receiver.location = [status] * 3, "http://127.0.0.1:9/elsewhere"
    for minutes in (1, 2, 4):
        run(world, made)
        found = view(world, made)
        assert (found.state, round((found.probe_at - world.clock()).total_seconds() / 60)) == ("down", minutes)
        assert (rows(world)[0].state, rows(world)[0].tries) == ("ready", 0)
        world.clock.advance(minutes=minutes)
    run(world, made)
    assert (view(world, made).state, view(world, made).failures, rows(world)[0].state) == ("up", 0, "sent")


def test_a_rotated_secret_signs_beside_the_old_one_for_a_day(world, receiver):
    """ID-63: no post is lost while the receiver changes over; then the old one counts no more."""
    made = hook(world, receiver)
    people(world, "ann", "bo", "cy")
    with world.gateway.unit(system_actor(1)) as unit:
        new = webhooks.rotate(unit, made)
    [old] = receiver.secrets
    assert new != old and len(base64.b64decode(new.removeprefix("whsec_"))) == 32
    unsubscribe(world, "ann@example.org")
    run(world, made)
    assert len(receiver.headers[0]["webhook-signature"].split(" ")) == 2
    receiver.secrets = [new]
    unsubscribe(world, "bo@example.org")
    run(world, made)
    assert len(receiver.seen) == 2
    world.clock.advance(hours=24)
    receiver.secrets = [old]
    unsubscribe(world, "cy@example.org")
    run(world, made)
    assert (view(world, made).state, len(receiver.seen)) == ("down", 2)
    receiver.secrets = [new]
    world.clock.advance(minutes=1)
    run(world, made)
    assert (len(receiver.seen), len(receiver.headers[-1]["webhook-signature"].split(" "))) == (3, 1)


def test_an_own_secret_and_what_is_taken_stay_with_a_new_address(world, receiver):
    """ID-63: the address may change alone; a kind that was not chosen is not even queued."""
    own = "whsec_" + base64.b64encode(b"thirty-two bytes for the tests!!").decode()
    made = hook(world, receiver, secret=own, take=["unsubscribe", "resubscribe"])
    receiver.secrets = [own]
    with world.gateway.unit(system_actor(1)) as unit:
        assert webhooks.set_up(unit, made, receiver.url + "?a=1") is None
        assert writebacks.takers(unit, "bad_email") == [] and writebacks.takers(unit, "resubscribe") == [made]
    people(world, "ann")
    unsubscribe(world, "ann@example.org")
    run(world, made)
    assert len(receiver.seen) == 1


def test_what_cannot_be_a_webhook_is_refused(world, receiver, ams):
    """ID-63: encryption but on this machine, a strong secret, nobody told twice, administrators only."""
    made = hook(world, receiver)
    weak = "whsec_" + base64.b64encode(b"short").decode()
    for field, url, choices in (("url", "http://ams.lan/x", {}), ("url", "https://a:b@ams.example.org/", {}),
                                ("url", "ftp://ams.example.org/", {}), ("secret", receiver.url, {"secret": weak}),
                                ("secret", receiver.url, {"secret": "hush"}), ("take", receiver.url, {"take": ["x"]})):
        with pytest.raises(GatewayError) as caught, world.gateway.unit(system_actor(1)) as unit:
            webhooks.set_up(unit, made, url, **choices)
        assert (caught.value.code, caught.value.field) == ("INVALID_VALUE", field)
        assert "hush" not in caught.value.message
    with world.gateway.unit(system_actor(1)) as unit:
        webhooks.set_up(unit, made, "http://ams.lan/x", plain_http=True)  # private networks are where AMSs stand
        bridged = integrations.add(unit, "members", "memory", {})
    for act in (lambda unit: integrations.set_pulls(unit, made, PULLED),
                lambda unit: webhooks.rotate(unit, bridged)):
        with pytest.raises(GatewayError) as caught, world.gateway.unit(system_actor(1)) as unit:
            act(unit)
        assert caught.value.code == "STATE_CONFLICT"
    with world.gateway.unit(system_actor(1)) as unit:
        webhooks.remove(unit, made)
        integrations.set_pulls(unit, made, PULLED)
        with pytest.raises(GatewayError) as caught:
            webhooks.set_up(unit, made, receiver.url)
    assert caught.value.code == "STATE_CONFLICT"
    for brand_id, role, code in ((1, SENDER, "NOT_ALLOWED"), (2, ADMIN, "NOT_FOUND")):
        with pytest.raises(GatewayError) as caught, world.unit(world.actor(brand_id=brand_id, role=role)) as unit:
            webhooks.set_up(unit, made, receiver.url)
        assert caught.value.code == code


def test_address_and_secret_are_sealed(world, receiver):
    """Nothing of it stands in the store in clear."""
    made = hook(world, receiver)
    with world.gateway.reading(system_actor(1)) as unit:
        sealed = unit.connection.scalar(sa.select(integration.c.webhook).where(integration.c.id == made))
    assert "whsec" not in sealed and "127.0.0.1" not in sealed
    assert receiver.secrets[0] not in repr(view(world, made))


def test_who_is_posted_to_does_not_acknowledge_and_a_bridge_beside_it_only_reads(world, receiver, ams):
    """ID-63: one way for each; the bridge goes on reading, and writes again when the webhook is ended."""
    with world.gateway.unit(system_actor(1)) as unit:
        made = integrations.add(unit, "ams", "memory", {})
        receiver.secrets.append(webhooks.set_up(unit, made, receiver.url))
    people(world, "ann")
    unsubscribe(world, "ann@example.org")
    [row] = rows(world)
    with pytest.raises(GatewayError) as caught, world.unit(world.actor("ams", role=ADMIN)) as unit:
        writebackfeeds.acknowledge(unit, [Acknowledgement(row.writeback_id, "Done")])
    assert caught.value.code == "STATE_CONFLICT"
    run(world, made)
    assert ([row.state for row in rows(world)], ams.written, len(receiver.seen)) == (["sent"], [], 1)
    unsubscribe(world, "ann@example.org", act=suppression.resubscribe)
    ams.put("ann", "ann@example.org")
    with world.gateway.unit(system_actor(1)) as unit:
        webhooks.remove(unit, made)
    run(world, made)
    assert ([item.kind for item in ams.written], len(receiver.seen)) == (["resubscribe"], 1)


def test_without_it_rows_wait_and_nobody_new_is_told(world, receiver):
    """ID-60: what was queued waits, and expires; dead ones are tried again by hand."""
    made = hook(world, receiver)
    people(world, "ann", "bo")
    unsubscribe(world, "ann@example.org")
    with world.gateway.unit(system_actor(1)) as unit:
        webhooks.remove(unit, made)
    unsubscribe(world, "bo@example.org")
    run(world, made)
    assert ([row.state for row in rows(world)], receiver.headers, writebacks.due(world.gateway)) == (["ready"], [], [])
    world.clock.advance(days=31)
    assert writebacks.due(world.gateway) == [(1, made)]
    run(world, made)
    assert [row.state for row in rows(world)] == ["expired"]


def test_one_that_hangs_delays_no_other(world, receiver):
    """ID-61: each integration has a turn of its own; the second is served while the first waits for an answer."""
    with Receiver() as stuck:
        stuck.held = True
        slow = hook(world, stuck)
        fast = world.integration("crm")
        with world.gateway.unit(system_actor(1)) as unit:
            receiver.secrets.append(webhooks.set_up(unit, fast, receiver.url))
        people(world, "ann")
        with world.unit(world.actor("crm")) as unit:
            imports.import_records(unit, [SubscriberRecord("5", "ann@example.org")], ImportOptions())
        unsubscribe(world, "ann@example.org")
        turn = threading.Thread(target=run, args=(world, slow))
        turn.start()
        assert stuck.holding.wait(20)
        run(world, fast)
        assert {row.integration_id: row.state for row in rows(world)} == {slow: "processing", fast: "sent"}
        stuck.secrets, stuck.held = ["whsec_AAAA"], False
        stuck.hold.set()
        turn.join(20)
    assert view(world, slow).state == "down" and view(world, fast).state == "up"


def test_systems_that_hang_leave_threads_to_others(world, receiver):
    """ID-61: half of the threads at most wait for systems, one for those that are down; who is refused comes later."""
    turns, rung = world.gateway.turns, []
    world.gateway.doorbell = Bell(rung)
    assert turns.begin((1, 1), True) and not turns.begin((1, 2), True), "the second one that is down"
    assert turns.begin((1, 3), False) and not turns.begin((1, 4), False), "two of four threads are taken"
    assert not turns.begin((1, 3), False), "another thread for the same system"
    assert turns.end((1, 3)) == [(1, 2), (1, 4), (1, 3)]
    assert turns.end((1, 1)) == []
    made = hook(world, receiver)
    people(world, "ann")
    unsubscribe(world, "ann@example.org")
    rung.clear()
    assert turns.begin((1, made), False)
    run(world, made)
    assert (receiver.headers, rung, [row.state for row in rows(world)]) == ([], [], ["ready"])
    assert turns.end((1, made)) == [(1, made)]
    assert turns.begin((2, 7), False) and turns.begin((2, 8), False)
    run(world, made)
    assert turns.end((2, 7)) == [(1, made)]
    run(world, made)
    assert [row.state for row in rows(world)] == ["sent"]


def test_who_was_refused_is_rung_when_a_turn_ends(world, receiver):
    """ID-61: a row that came while the turn was ending is not left to the sweep."""
    rung = []
    world.gateway.doorbell = Bell(rung)
    made = hook(world, receiver)
    people(world, "ann")
    unsubscribe(world, "ann@example.org")
    receiver.held = True
    turn = threading.Thread(target=run, args=(world, made))
    turn.start()
    assert receiver.holding.wait(20)
    people(world, "bo")
    unsubscribe(world, "bo@example.org")
    run(world, made)  # another worker's, while the first waits
    rung.clear()
    receiver.held = False
    receiver.hold.set()
    turn.join(20)
    assert Ring("run_writebacks", (1, made)) in rung


class Bell:
    """Notes what is rung."""

    transactional = False

    def __init__(self, rung):
        self.rung = rung

    def ring(self, rings, connection):
        self.rung += rings

    def problem(self):
        return None


def test_a_changed_field_carries_its_value_and_a_cleared_one_says_null(world, receiver):
    """ID-56: and nothing of it stays when it is told."""
    made = hook(world, receiver, take=["unsubscribe", FIELD_CHANGED])
    people(world, "ann")
    for value in ("weekly", None):
        with world.gateway.unit(system_actor(1)) as unit:
            assert change_field(unit, 1, "Frequency", value) == 1
    run(world, made)
    assert [(each["type"], each["data"]["field"], each["data"]["value"]) for each in receiver.seen] == [
        ("writeback.field_changed", "Frequency", "weekly"), ("writeback.field_changed", "Frequency", None)]
    assert ["value" in row.payload for row in rows(world)] == [False, False]
