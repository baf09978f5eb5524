"""Reports and feeds (SOAP-61..64, sending.md section 8)."""

import pytest

from gateway.domain.events import EventFilter
from gateway.domain.paging import PageRequest
from gateway.domain.recipients import DeliveryFilter
from gateway.errors import GatewayError
from gateway.services import recipients, reporting, tracking
from tests.support.mailreader import read


def refused(act, *args, **kw):
    with pytest.raises(GatewayError) as error:
        act(*args, **kw)
    return error.value.code, error.value.field


def found(house, wanted, brand_id=1, **page):
    with house.gateway.feed(house.actor(brand_id=brand_id)) as unit:
        return reporting.find_events(unit, wanted, PageRequest(**page))


@pytest.fixture
def busy(house, sink):
    """An instance with an outcome and a hit of every kind."""
    for name in ("ann", "bob", "cat", "bounce-5xx", "full", "reject-data", "defer-4xx", "drop-after-dot"):
        house.add_person(f"{name}@example.org")
    house.add_person("gone@example.org", opted_out=True)
    house.add_person("left@example.org", orphan=True)
    instance_id = house.send()
    house.clock.advance(minutes=1)
    mails = {m.envelope_to[0].partition("@")[0]: read(m.data) for m in sink.messages}

    for _ in range(3):
        house.hit(mails["ann"].pixel)
    for path in (mails["bob"].pixel, *mails["bob"].clicks):
        house.hit(path, "SomeBot/1.0", "HEAD")
    house.hit(mails["cat"].clicks[0])
    house.fold()
    tracking.unsubscribe(house.gateway, mails["cat"].unsubscribe.rpartition("/")[2], True)
    return instance_id


def test_every_figure(house, busy):
    """Section 8, SEND-11, SEND-58: each figure by its definition; people's and machines' side by side."""
    report = house.check_sums(busy)
    assert report.figures() == {
        "targeted": 10, "leftOut": 2, "sent": 6, "pending": 1, "inDoubt": 1, "cancelled": 0, "bouncedHard": 1,
        "bouncedSoft": 1, "bouncedBlock": 1, "bouncedOther": 0, "delivered": 3, "opens": 4, "uniqueOpens": 2,
        "opensAutomated": 1, "uniqueOpensAutomated": 1, "clicks": 1, "uniqueClicks": 1, "clicksAutomated": 2,
        "uniqueClicksAutomated": 1, "unsubscribed": 1, "complaints": 0, "optedOut": 0}
    assert report.left_out == {"orphan": 1, "unsubscribed": 1}
    assert report.opens.first_at == house.clock.now
    assert not report.settled


def test_each_figure_is_the_rows_that_FindEvents_gives(house, busy):
    """SEND-58: the feed and the report count the same."""
    house.clock.advance(seconds=1)
    rows = found(house, EventFilter(instance_id=busy)).items
    report = house.report(busy)
    assert len([e for e in rows if e.type == "sent"]) == report.sent
    assert len([e for e in rows if e.type == "bounced"]) == report.bounced
    assert len([e for e in rows if e.type == "in_doubt"]) == report.in_doubt
    opened = [e for e in rows if e.type == "opened"]
    assert len([e for e in opened if not e.automated]) == report.opens.total - 1, "one implied by a click: see notes"
    assert len([e for e in opened if e.automated]) == report.opens.total_automated
    clicked = [e for e in rows if e.type == "clicked"]
    assert len([e for e in clicked if not e.automated]) == report.clicks.total
    assert len([e for e in clicked if e.automated]) == report.clicks.total_automated
    assert len([e for e in rows if e.type == "unsubscribed"]) == report.unsubscribed


def test_settled_after_a_day(house):
    """Section 8: settled is false until 24 h after sent."""
    house.add_person("ann@example.org")
    instance_id = house.send()
    assert not house.report(instance_id).settled
    house.clock.advance(hours=24)
    assert house.report(instance_id).settled


def test_a_mailings_report_is_the_sum_of_its_instances(house):
    """SEND-1, SEND-59: deliveries and figures are those of one publication each."""
    house.add_person("ann@example.org")
    house.add_person("bounce-5xx@example.org")
    mailing_id = house.create()
    ids = []
    for _ in range(2):
        ids.append(house.schedule(mailing_id, again=True))
        house.run(ids[-1])
        house.clock.advance(minutes=1)
    house.send(name="another mailing")
    whole = house.report(mailing_id=mailing_id)
    parts = [house.report(instance_id) for instance_id in ids]
    assert whole.figures() == {name: sum(part.figures()[name] for part in parts) for name in whole.figures()}
    assert (whole.mailing_id, set(whole.instance_ids)) == (mailing_id, set(ids))
    never = house.report(mailing_id=house.create())
    assert (never.targeted, never.settled, never.instance_ids) == (0, False, ())


def test_unknown_and_foreign_ids(house, busy):
    """SOAP-18: another brand's id is NOT_FOUND; an instance of another mailing too."""
    other = house.create(name="other")
    with house.reading() as unit:
        assert refused(reporting.report, unit) == ("INVALID_REQUEST", "instanceId")
        assert refused(reporting.report, unit, instance_id=999) == ("NOT_FOUND", "instanceId")
        assert refused(reporting.report, unit, mailing_id=999) == ("NOT_FOUND", "mailingId")
        assert refused(reporting.report, unit, instance_id=busy, mailing_id=other) == ("NOT_FOUND", "instanceId")
    with house.reading(house.actor(brand_id=2)) as unit:
        assert refused(reporting.report, unit, instance_id=busy)[0] == "NOT_FOUND"
        assert refused(reporting.report, unit, mailing_id=other)[0] == "NOT_FOUND"
    assert found(house, EventFilter(), brand_id=2).items == ()


def test_events_are_filtered_and_paged(house, busy):
    """SOAP-62, SOAP-68: by type, mailing, instance, time; the same token gives the same page."""
    house.clock.advance(seconds=1)
    everything = found(house, EventFilter())
    assert [e.event_id for e in everything.items] == sorted(e.event_id for e in everything.items)
    assert everything.as_of == house.clock.now
    bounced = found(house, EventFilter(types=("bounced",))).items
    assert [e.type for e in bounced] == ["bounced"] * 3
    assert {e.mailing_id for e in bounced} == {house.instance(busy).mailing_id}
    assert found(house, EventFilter(mailing_id=999)).items == ()
    seen, token = [], None
    while True:
        page = found(house, EventFilter(), size=4, token=token)
        assert page == found(house, EventFilter(), size=4, token=token)
        seen += page.items
        token = page.next_token
        if token is None:
            break
    assert tuple(seen) == everything.items
    assert found(house, EventFilter(since=everything.as_of)).items == ()
    with house.gateway.feed(house.actor()) as unit:
        assert refused(reporting.find_events, unit, EventFilter(types=("eaten",)), PageRequest())[0] == "INVALID_VALUE"


def test_unsubscribes(house, busy):
    """SOAP-64: who, address, origin, instance, time; from whatever way."""
    house.clock.advance(seconds=1)
    with house.gateway.feed(house.actor()) as unit:
        [row] = reporting.find_unsubscribes(unit, None, None, None, PageRequest()).items
        assert (row.address, row.origin, row.instance_id) == ("cat@example.org", "one-click", busy)
        assert reporting.find_unsubscribes(unit, house.clock.now, None, None, PageRequest()).items == ()


def test_reports_need_the_right(house, busy):
    """PUSH-2: a key without the scope report may not."""
    with house.reading(house.key_actor(scopes=("send",))) as unit:
        assert refused(reporting.report, unit, instance_id=busy)[0] == "NOT_ALLOWED"
        assert refused(reporting.find_events, unit, EventFilter(), PageRequest())[0] == "NOT_ALLOWED"


def test_each_figure_is_the_rows_that_FindDeliveries_gives(house, busy):
    """SEND-58: states and reasons listed person by person add up to the report."""
    house.clock.advance(seconds=1)
    report = house.report(busy)

    def listed(states=(), reasons=()):
        with house.gateway.feed(house.actor()) as unit:
            return len(recipients.find(unit, DeliveryFilter(busy, states, reasons), PageRequest()).items)

    assert (listed(), listed(("queued", "claimed", "deferred")), listed(("in_doubt",)), listed(("cancelled",))) == (
        report.targeted, report.pending, report.in_doubt, report.cancelled)
    assert listed(("accepted", "refused", "expired")) == report.sent
    assert listed(("left_out",)) == report.left_out_total
    assert {reason: listed(reasons=(reason,)) for reason in report.left_out} == report.left_out
