"""Is nothing left of somebody who asked to be forgotten, in any table, and is everybody else untouched? (ID-35)"""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from gateway.db.models import metadata
from gateway.db.queries import suppression
from gateway.db.queries.erasure import GONE
from gateway.domain.accounts import ADMIN
from gateway.domain.events import EventFilter
from gateway.domain.paging import PageRequest
from gateway.domain.records import Identifier, ImportOptions, StatusEntry, SubscriberRecord
from gateway.errors import GatewayError
from gateway.services import erasure, idempotency, imports, reporting, subscribers
from gateway.services import suppression as acts
from tests.support.mailreader import read

ADA, OLD, FAMILY = "ada-bounce-5xx@example.org", "ada.old@example.org", "family@example.org"
SECRETS = (ADA, OLD, "ADA.OLD@example.org", "K-ADA-17", "C-ADA-5", "Quillington", "Chair")


def push(house, *records, integration="api", brand_id=1, **options):
    with house.unit(house.actor(integration, brand_id=brand_id)) as unit:
        return imports.import_records(unit, records, ImportOptions(**options)).outcomes


def erase(house, *, confirmed=True, role=ADMIN, integration="api", brand_id=1, close=False, **who):
    with house.unit(house.actor(integration, role=role, brand_id=brand_id)) as unit:
        return erasure.erase(unit, Identifier(**who), confirmed=confirmed, close_writebacks=close)


def refused(house, **more):
    with pytest.raises(GatewayError) as error:
        erase(house, **more)
    return error.value


def texts(house, brand_id=1):
    """(table, column, text) of everything that is stored of a brand."""
    found = []
    with house.reading() as unit:
        for table in metadata.sorted_tables:
            query = sa.select(table)
            if "brand_id" in table.c:
                query = query.where(table.c.brand_id == brand_id)
            for row in unit.connection.execute(query):
                found += [(table.name, name, written(value)) for name, value in row._mapping.items()
                          if value is not None]
    return found


def written(value):
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def traces(house, words, brand_id=1):
    return sorted({(table, column) for table, column, text in texts(house, brand_id)
                   for word in words if word.lower() in text.lower()})


@pytest.fixture
def ada(house, sink):
    """Somebody of whom there is something everywhere; answers the subscriber's id."""
    house.add_interest("News")
    push(house, SubscriberRecord(None, ADA, {"LastName": "Quillington"}, ("News",)))
    push(house, SubscriberRecord("K-ADA-17", OLD, {"FirstName": "Quillington"}, ("News",)))
    (made,) = push(house, SubscriberRecord("K-ADA-17", ADA), interests=("News",))  # the first one is a tombstone now
    crm = house.integration("crm", kind="sql")
    with house.unit() as unit:  # a second link, as One-to-Many makes them
        unit.connection.execute(sa.insert(metadata.tables["remote_key"]).values(
            brand_id=1, integration_id=crm, remote_id="C-ADA-5",
            subscriber_id=made.subscriber_id, created_at=unit.now))
    push(house, SubscriberRecord("K-ADA-17", "not-an-address"),
         SubscriberRecord(None, ADA, {"Birthday": "Quillington"}),
         SubscriberRecord(None, "ADA.OLD@example.org", {"Birthday": "x"}))
    house.add_person("bob@example.org")
    instance_id = house.send()
    mail = {m.envelope_to[0]: read(m.data) for m in sink.messages}
    house.hit(mail["bob@example.org"].clicks[0])
    house.fold()
    with house.unit() as unit:
        acts.unsubscribe(unit, [StatusEntry(Identifier(email=OLD), "moved"), StatusEntry(Identifier(email=ADA), ADA)])
        idempotency.remember(unit, operation="x", key="1", fingerprint="f", status=200,
                             answer=b'{"results": [{"remoteId": "K-ADA-17"}]}')
        idempotency.remember(unit, operation="x", key="2", fingerprint="f", status=200, answer=f"<e>{ADA}</e>".encode())
        idempotency.remember(unit, operation="x", key="3", fingerprint="f", status=200, answer=b"others")
        unit.connection.execute(sa.update(metadata.tables["membership"]).where(
            metadata.tables["membership"].c.subscriber_id == made.subscriber_id).values(detail='{"role": "Chair"}'))
        unit.connection.execute(sa.insert(metadata.tables["refusal"]).values(
            brand_id=1, recorded_at=unit.now, actor="key:1", door="push", code="INVALID_VALUE", message="no",
            operation=f"GET /push/v1/subscribers?email={ADA.upper()}"))
    assert ADA in house.states(instance_id)
    return made.subscriber_id


def test_nothing_of_the_person_is_left_in_any_table(house, ada):
    """ID-35: a scan of every column of every table; the world of the test shows that it would find something."""
    before = traces(house, SECRETS)
    assert {table for table, _ in before} >= {
        "subscriber", "remote_key", "source_values", "decision", "event", "delivery", "writeback", "address_status",
        "idempotency", "refusal", "membership"}
    view = erase(house, remote_id="K-ADA-17", close=True)
    assert "\n".join(map(str, traces(house, SECRETS))) == ""
    assert (view.subscriber_id, len(view.merged_ids), view.addresses, view.remote_ids) == (ada, 1, 2, 2)
    assert view.closed_writebacks == 1
    with house.reading(house.actor(role=ADMIN)) as unit:
        shown = subscribers.get(unit, Identifier(subscriber_id=ada))
        assert (shown.email, shown.links, shown.fields, shown.sendable) == (None, (), (), False)
    assert [("idempotency", "answer", "others")] == [row for row in texts(house) if row[1] == "answer"]


def test_events_stay_without_person_and_the_feed_says_erased(house, ada):
    """ID-35: reports keep their figures; the event ``erased`` carries ids only."""
    report = house.report(1).figures()
    count = len(house.events())
    erase(house, email=ADA, close=True)
    assert house.report(1).figures() == report
    assert len(house.events()) == count + 1
    house.clock.advance(seconds=1)
    with house.gateway.feed(house.actor(role=ADMIN)) as unit:
        (event,) = reporting.find_events(unit, EventFilter(types=("erased",)), PageRequest()).items
    assert (event.subscriber_id, event.address, event.remote_id) == (ada, None, None)
    assert [row.subscriber_id for row in house.events() if row.subscriber_id == ada] == [ada]


def test_keyed_hashes_stay_and_find_whoever_comes_back(house, ada):
    """ID-35: of each address and each remote key; another brand knows nothing of it (ID-P15)."""
    erase(house, email=ADA, close=True)
    api, crm = house.integration("api"), house.integration("crm")
    with house.unit() as unit:
        hashes = erasure.hashes_of(unit, [ADA, OLD, "new@example.org"],
                                   [(api, "K-ADA-17"), (crm, "C-ADA-5"), (crm, "K-ADA-17")])
        found = suppression.suppressed(unit.connection, 1, hashes.all())
        assert found == {hashes.emails[ADA], hashes.emails[OLD], hashes.keys[api, "K-ADA-17"],
                         hashes.keys[crm, "C-ADA-5"]}
        assert not suppression.is_empty(unit.connection, 1) and suppression.is_empty(unit.connection, 2)
        assert suppression.suppressed(unit.connection, 2, hashes.all()) == set()


def test_whoever_comes_back_is_not_stored(house, ada):
    """ID-35: by address, by either remote ID; what is stored of the attempt names nobody."""
    erase(house, email=ADA, close=True)
    outcomes = push(house, SubscriberRecord("K-NEW", ADA.upper()), SubscriberRecord("K-ADA-17", "new@example.org"),
                    SubscriberRecord(None, OLD, {"FirstName": "Quillington"}),
                    SubscriberRecord("K-9", "cy@example.org"))
    assert [(o.status, o.rule, o.problem and o.problem.code) for o in outcomes[:3]] == [
        ("suppressed", "ID-35", "SUPPRESSED")] * 3
    assert outcomes[3].status == "created"
    (other,) = push(house, SubscriberRecord("C-ADA-5", "x@example.org"), integration="crm")
    assert other.status == "suppressed"
    assert traces(house, SECRETS) == []


def test_an_unsubscribe_does_not_write_the_address_down_again(house, ada):
    """ID-35, ID-50: nobody mails an erased address; asking for no mail once more leaves no trace, elsewhere it does."""
    erase(house, email=ADA, close=True)
    with house.unit() as unit:
        report = acts.unsubscribe(unit, [StatusEntry(Identifier(email=ADA.upper())), StatusEntry(Identifier(email=OLD)),
                                         StatusEntry(Identifier(email="cy@example.org"))])
    assert [(o.status, o.rule) for o in report.outcomes] == [
        ("suppressed", "ID-35"), ("suppressed", "ID-35"), ("updated", "ID-50")]
    assert (report.counters.suppressed, report.counters.updated) == (2, 1)
    assert traces(house, SECRETS) == []


def test_files_of_failed_rows_go_with_the_person(house, tmp_path):
    """PUSH-33: a file in which the person stands is removed whole; other files stay."""
    push(house, SubscriberRecord("K-1", ADA))
    house.settings.spool_dir.mkdir(parents=True, exist_ok=True)
    for upload_id, bad in ((1, ADA), (2, "cy@example.org")):
        push(house, SubscriberRecord("K-1" if bad == ADA else "K-2", bad, {"Birthday": "x"}))
        name = f"{upload_id}.rejects"
        (house.settings.spool_dir / name).write_text(bad)
        with house.unit() as unit:
            newest = sa.select(sa.func.max(metadata.tables["upload"].c.id)).scalar_subquery()
            unit.connection.execute(sa.update(metadata.tables["upload"]).where(
                metadata.tables["upload"].c.id == newest).values(rejects_name=name))
    erase(house, email=ADA)
    assert [path.name for path in house.settings.spool_dir.iterdir()] == ["2.rejects"]
    with house.reading() as unit:
        names = unit.connection.execute(sa.select(metadata.tables["upload"].c.rejects_name)).scalars()
        assert [name for name in names if name] == ["2.rejects"]


def test_it_asks_twice_and_says_what_would_go(house, ada):
    """ID-35: unconfirmed, nothing is done, and the answer names numbers, not the person."""
    before = texts(house)
    answer = refused(house, email=ADA, confirmed=False)
    assert (answer.code, answer.field) == ("INVALID_REQUEST", "confirmed")
    for said in ("records: 2, addresses: 2, remote IDs: 2", "1 writebacks have not left"):
        assert said in answer.message
    assert not any(word in answer.message for word in SECRETS)
    assert texts(house) == before


def test_only_an_administrator_and_only_somebody_known(house, ada):
    """ID-35, SOAP-18, ID-P15."""
    assert refused(house, email=ADA, role="sender").code == "NOT_ALLOWED"
    assert refused(house, email="nobody@example.org").code == "NOT_FOUND"
    assert refused(house, email=ADA, brand_id=2).code == "NOT_FOUND"
    assert refused(house, email=ADA, remote_id="K-99").code == "NOT_FOUND"
    erase(house, email=ADA, close=True)
    assert refused(house, subscriber_id=ada).code == "STATE_CONFLICT"


def test_a_writeback_that_has_not_left_is_not_dropped_silently(house, ada):
    """ID-59: the membership system would never hear of the opt-out; an administrator must decide that."""
    answer = refused(house, email=ADA)
    assert answer.code == "STATE_CONFLICT" and answer.message.startswith("1 writebacks")
    assert erase(house, email=ADA, close=True).closed_writebacks == 1
    with house.reading() as unit:
        states = unit.connection.execute(sa.select(metadata.tables["writeback"].c.state)).scalars().all()
    assert states == ["closed"]


def test_mail_that_waits_is_not_sent(house, ada):
    """SEND-8, SEND-9: left out as ``erased``; the sums still hold. What is in a worker's hands is waited for."""
    waiting = sa.update(metadata.tables["delivery"]).where(metadata.tables["delivery"].c.subscriber_id == ada)
    with house.unit() as unit:
        unit.connection.execute(waiting.values(state="claimed"))
    assert refused(house, email=ADA, close=True).code == "STATE_CONFLICT"
    with house.unit() as unit:
        unit.connection.execute(waiting.values(state="deferred"))
    erase(house, email=ADA, close=True)
    assert house.check_sums(1).left_out == {"erased": 1}


def test_an_address_that_somebody_else_has_stays_with_them(house):
    """ID-1, ID-35: a family shares one address; only one of them asked."""
    first, second = push(house, SubscriberRecord("K-1", FAMILY, {"FirstName": "Ann"}), SubscriberRecord("K-2", FAMILY))
    with house.unit() as unit:
        acts.unsubscribe(unit, [StatusEntry(Identifier(email=FAMILY))])
    assert refused(house, email=FAMILY).code == "AMBIGUOUS_EMAIL"
    view = erase(house, remote_id="K-1")
    assert (view.addresses, view.shared_addresses, view.remote_ids) == (0, 1, 1)
    assert view.other_ids == (second.subscriber_id,)
    with house.reading() as unit:
        shown = subscribers.get(unit, Identifier(email=FAMILY))
        assert (shown.subscriber_id, shown.status) == (second.subscriber_id, "unsubscribed")
        assert suppression.suppressed(unit.connection, 1, erasure.hashes_of(unit, [FAMILY], []).all()) == set()
    assert ("decision", "remote_id") not in traces(house, ["K-1"])
    assert first.subscriber_id == view.subscriber_id
    assert erase(house, remote_id="K-2").addresses == 1
    assert traces(house, [FAMILY, "K-2"]) == []


def test_an_address_without_a_record_is_forgotten_too(house):
    """ID-50, ID-35: an address may be opted out before any record has it."""
    with house.unit() as unit:
        acts.unsubscribe(unit, [StatusEntry(Identifier(email=OLD))])
    view = erase(house, email=OLD)
    assert (view.subscriber_id, view.addresses) == (None, 1)
    assert traces(house, [OLD]) == []


def test_others_and_other_brands_are_untouched(house):
    """ID-P15: the same person in another brand asked nothing; the same remote ID elsewhere is somebody else."""
    for brand_id in (1, 2):
        push(house, SubscriberRecord("17", ADA, {"FirstName": "Ann"}), brand_id=brand_id)
    push(house, SubscriberRecord("17", "bob@example.org", {"FirstName": "Bob"}), SubscriberRecord("18", "nonsense"),
         integration="crm")
    other = texts(house, 2)
    erase(house, email=ADA)
    assert texts(house, 2) == other
    with house.reading(house.actor("crm")) as unit:
        assert subscribers.get(unit, Identifier(remote_id="17")).email == "bob@example.org"
        t = metadata.tables["decision"].c
        decisions = unit.connection.execute(
            sa.select(t.remote_id, t.email).where(t.brand_id == 1).order_by(t.id)).all()
    assert [tuple(row) for row in decisions] == [(None, None), ("17", "bob@example.org"), ("18", "nonsense"),
                                                 (None, None)]


def test_no_record_can_be_given_the_mark_of_an_erased_key(house):
    """ID-6: outer blanks are removed, so what stands in place of a remote ID names nobody for ever."""
    push(house, SubscriberRecord("17", ADA))
    erase(house, email=ADA)
    with house.reading() as unit:
        mark = unit.connection.execute(sa.select(metadata.tables["remote_key"].c.remote_id)).scalar_one()
    assert mark.startswith(GONE)
    (outcome,) = push(house, SubscriberRecord(mark, "eve@example.org"))
    assert outcome.status == "created"
