"""Why is a person as it is, and what happened to it? (SOAP-48, SOAP-65, ID-79)"""

import pytest

from tests.soap.door import Refused

ANN = {"remoteId": "K-1", "email": "ann@example.org", "field": [{"name": "FirstName", "value": "Ann"}]}


@pytest.fixture
def peopled(door, clock, version):
    door.version = version
    door.call("ImportSubscribers", mode="AddOrUpdate", interest=["News"], record=[ANN])
    door.call("Unsubscribe", entry=[{"email": "ann@example.org", "reason": "by telephone"}])
    door.call("OptOut", interest=["News"], entry=[{"remoteId": "K-1"}])
    clock.advance(seconds=1)
    return door


def test_the_whole_tree(peopled):
    """SOAP-48: every part of it is in the answer, which is valid against the schema."""
    answer = peopled.call("ExplainSubscriber", identifier={"email": "Ann@example.org"}, user="reader")
    (person,) = answer.person
    assert (answer.asked.email, answer.address.email, answer.address.optOutReason) == (
        "Ann@example.org", "ann@example.org", "by telephone")
    assert (person.status, person.sendable, person.mode) == ("unsubscribed", False, "emailAndRemoteId")
    assert [(each.integration, each.label, each.remoteId) for each in person.link] == [("api", "remote ID", "K-1")]
    assert [(each.name, each.value, each.why, each.sourceValue[0].value) for each in person.field] == [
        ("FirstName", "Ann", "onlySource", "Ann")]
    assert [(each.interest, each.state) for each in person.membership] == [("News", "left")]
    assert [each.interest for each in person.leftInterest] == ["News"]
    assert "created" in [each.status for each in person.decision] and all(each.meaning for each in person.decision
                                                                         if each.rule)
    assert person.verdict.reaches is False and "opt_out" in [each.fact for each in person.verdict.blocker]
    assert answer.nextRecord.status and answer.sentence and not answer.moreUnmatched
    assert peopled.call("ExplainSubscriber", identifier={"email": "ann@example.org"}, brand=2).person == []


def test_a_mailing(peopled):
    """SOAP-48: would it reach the person now?"""
    mailing = peopled.call("CreateMailing", name="m", subject="s", fromAddress="club@example.org", html="<p>x</p>",
                           interest=["News"])
    answer = peopled.call("ExplainSubscriber", identifier={"remoteId": "K-1"}, mailingId=mailing.mailingId)
    assert (answer.person[0].verdict.question, answer.person[0].verdict.mailingId) == ("mailing", mailing.mailingId)
    for wrong in ({"mailingId": "999"}, {"instanceId": "x"}, {"mailingId": mailing.mailingId, "brand": 2}):
        with pytest.raises(Refused) as refused:
            peopled.call("ExplainSubscriber", identifier={"remoteId": "K-1"}, **wrong)
        assert (refused.value.code, refused.value.field) == ("NOT_FOUND", next(iter(wrong)))


def test_who_and_whose(door):
    """SOAP-13, SOAP-18: credentials and an identifier are needed."""
    with pytest.raises(Refused, match="NOT_AUTHENTICATED"):
        door.call("ExplainSubscriber", identifier={"remoteId": "K-1"}, user=None)
    with pytest.raises(Refused, match="INVALID_REQUEST"):
        door.call("ExplainSubscriber", identifier={})
    with pytest.raises(Refused, match="INVALID_EMAIL"):
        door.call("ExplainSubscriber", identifier={"email": "nobody"})


def test_history_page_by_page(peopled, clock):
    """SOAP-65: oldest first, one thing after the other."""
    seen, token = [], None
    while True:
        page = peopled.call("GetSubscriberHistory", identifier={"remoteId": "K-1"}, pageSize=1, pageToken=token,
                            user="reader")
        seen += page.item
        token = page.nextToken
        if token is None:
            break
    assert [each.kind for each in seen].count("import") == 1
    assert {"created", "joined", "unsubscribed"} <= {each.what for each in seen}
    assert [each.recordedAt for each in seen] == sorted(each.recordedAt for each in seen)
    assert len({each.entryId for each in seen}) == len(seen)
    assert peopled.call("GetSubscriberHistory", identifier={"remoteId": "K-1"}, since=clock.now).item == []
    with pytest.raises(Refused, match="NOT_FOUND"):
        peopled.call("GetSubscriberHistory", identifier={"remoteId": "K-1"}, brand=2)
