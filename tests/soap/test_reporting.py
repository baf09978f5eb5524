"""The reporting noun: what really happened comes back. (SOAP-61, SOAP-62, SOAP-64, sending.md section 8)"""

import pytest

from gateway.services import sending
from tests.soap.door import Door, Refused
from tests.support.smtp_sink import SmtpSink

PEOPLE = [{"remoteId": "K-1", "email": "ann@example.org"}, {"remoteId": "K-2", "email": "ann@example.org"},
          {"remoteId": "K-3", "email": "bounce-5xx@example.org"}, {"remoteId": "K-4", "email": "out@example.org"}]
SUMS = ("pending", "inDoubt", "sent", "cancelled")


@pytest.fixture
def sent(database_url, tmp_path, clock):
    """A door behind which one mailing went to four records: sent, duplicate, bounced, unsubscribed."""
    with SmtpSink() as sink:
        door = Door(database_url, clock=clock, data_dir=tmp_path, smtp_url=sink.url)
        door.call("ImportSubscribers", mode="Add", interest=["News"], record=PEOPLE)
        door.call("Unsubscribe", entry=[{"email": "out@example.org", "reason": "enough"}])
        mailing = door.call("CreateMailing", name="m", subject="s", fromAddress="club@example.org", html="<p>x</p>",
                            interest=["News"])
        door.instance_id = door.call("SendMailing", mailingId=mailing.mailingId).instanceId
        door.mailing_id = mailing.mailingId
        sending.run_instance(door.gateway, 1, int(door.instance_id))
        clock.advance(seconds=5)
        yield door
        door.world.close()


def test_report_of_an_instance_and_of_its_mailing(sent, version):
    """SOAP-61, SEND-11, SEND-58, SEND-59: the sums hold."""
    sent.version = version
    one = sent.call("GetMailingReport", instanceId=sent.instance_id)
    whole = sent.call("GetMailingReport", mailingId=sent.mailing_id)
    for report in (one, whole):
        assert report.targeted == 4 and report.mailingId == sent.mailing_id
        assert {each.reason: each.count for each in report.leftOut} == {"duplicate_address": 1, "unsubscribed": 1}
        assert (report.sent, report.delivered, report.bouncedHard, report.settled) == (2, 1, 1, False)
        assert report.targeted == sum(each.count for each in report.leftOut) + sum(report[each] for each in SUMS)
        assert report.sent == report.delivered + sum(report[f"bounced{each}"] for each in
                                                     ("Hard", "Soft", "Block", "Other"))
        assert report.opens == report.uniqueOpens == report.clicks == report.unsubscribed == report.complaints == 0
        assert report.firstOpenAt is None and report.forwards is None
        assert {each.name: each.value for each in report.extra} == {
            "rate:delivered": "1/2", "rate:bounced": "1/2", "rate:uniqueOpens": "0/1", "rate:uniqueClicks": "0/1",
            "rate:clicksPerOpen": "0/0"}
    assert one.instanceId == whole.instanceId == [sent.instance_id]


def test_settled_after_a_day(sent, clock):
    """sending.md section 8."""
    clock.advance(hours=25)
    assert sent.call("GetMailingReport", instanceId=sent.instance_id).settled is True


@pytest.mark.parametrize("who", [{}, {"instanceId": "1", "mailingId": "1"}])
def test_exactly_one_of_the_two(door, who):
    """SOAP-61."""
    with pytest.raises(Refused) as refused:
        door.call("GetMailingReport", **who)
    assert (refused.value.code, refused.value.field) == ("INVALID_REQUEST", "instanceId")


def test_reports_of_others_or_of_nothing(sent):
    """SOAP-18."""
    for brand, who in ((2, {"instanceId": sent.instance_id}), (2, {"mailingId": sent.mailing_id}),
                       (1, {"instanceId": "999"}), (1, {"mailingId": "none"})):
        with pytest.raises(Refused) as refused:
            sent.call("GetMailingReport", brand=brand, **who)
        assert refused.value.code == "NOT_FOUND"


def test_events(sent, clock):
    """SOAP-62: filters, words and ids."""
    everything = sent.call("FindEvents").item
    assert sorted(each.type for each in everything) == ["bounced", "sent", "sent", "unsubscribed"]
    bounced = sent.call("FindEvents", type=["bounced"]).item[0]
    assert (bounced.email, bounced.remoteId, bounced.instanceId, bounced.mailingId, bounced.automated) == (
        "bounce-5xx@example.org", "K-3", sent.instance_id, sent.mailing_id, False)
    assert bounced.code.startswith("5") and bounced.eventId.isdigit() and bounced.subscriberId and bounced.deliveryId
    assert len(sent.call("FindEvents", type=["sent", "bounced"]).item) == 3
    assert len(sent.call("FindEvents", instanceId=sent.instance_id).item) == 3
    assert len(sent.call("FindEvents", mailingId=sent.mailing_id).item) == 3
    assert sent.call("FindEvents", since=clock()).item == [] and len(sent.call("FindEvents", until=clock()).item) == 4
    assert sent.call("FindEvents", brand=2).item == []
    left = sent.call("FindUnsubscribes").item
    assert [(each.email, each.origin, each.reason) for each in left] == [("out@example.org", "api", "enough")]
    assert sent.call("FindUnsubscribes", instanceId=sent.instance_id).item == []


def test_an_unknown_type(door):
    """SOAP-62: the words are named."""
    with pytest.raises(Refused) as refused:
        door.call("FindEvents", type=["exploded"])
    assert refused.value.code == "INVALID_VALUE" and "bounced" in refused.value.message


def test_find_deliveries(sent, version):
    """SOAP-63: one for each recipient and for each person that was left out, page by page."""
    sent.version = version
    seen, token = [], None
    while True:
        page = sent.call("FindDeliveries", instanceId=sent.instance_id, pageSize=3, pageToken=token, user="reader")
        seen += page.item
        token = page.nextToken
        if token is None:
            break
    assert [(each.remoteId, each.state, each.reason, each.code) for each in seen] == [
        ("K-1", "accepted", None, seen[0].code), ("K-2", "left_out", "duplicate_address", None),
        ("K-3", "refused", None, seen[2].code), ("K-4", "left_out", "unsubscribed", None)]
    assert (seen[0].attempts, seen[0].acceptedAt is not None, seen[2].bounceClass) == (1, True, "hard")
    assert {each.mailingId for each in seen} == {sent.mailing_id}
    out = sent.call("FindDeliveries", instanceId=sent.instance_id, state=["left_out", "refused"],
                    reason=["unsubscribed"]).item
    assert [each.remoteId for each in out] == ["K-4"]


def test_find_deliveries_of_what_is_not_there(sent):
    """SOAP-18, SOAP-63."""
    for wrong, field in (({"state": ["sent"]}, "state"), ({"reason": ["whim"]}, "reason")):
        with pytest.raises(Refused) as refused:
            sent.call("FindDeliveries", instanceId=sent.instance_id, **wrong)
        assert (refused.value.code, refused.value.field) == ("INVALID_VALUE", field)
    for wrong in ({"instanceId": "999"}, {"instanceId": sent.instance_id, "brand": 2}):
        with pytest.raises(Refused, match="NOT_FOUND"):
            sent.call("FindDeliveries", **wrong)
