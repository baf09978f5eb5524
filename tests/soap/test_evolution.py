"""Does a client of the first release run against every later one? (SOAP-31, SOAP-88)"""

import pytest
from lxml import etree
from werkzeug.test import Client

from tests.soap.door import TNS, schema

OPEN_WORDS = {"status", "state", "overall", "matchedBy", "code", "type", "blockedBy", "source", "reason", "origin"}


class Later:
    """The door as a later release may answer: new facts in every ``extra``, new words wherever words are open."""

    def __init__(self, app):
        self.app = app

    def __call__(self, environ, start_response):
        seen = {}

        def keep(status, headers):
            seen.update(status=status, headers=headers)

        body = b"".join(self.app(environ, keep))
        if seen["status"].startswith("200"):
            body = add_facts(body)
        headers = [(name, value) for name, value in seen["headers"] if name != "Content-Length"]
        start_response(seen["status"], headers)
        return [body]


def add_facts(body):
    root = etree.fromstring(body)
    entry = root.find("{*}Body")[0]
    for element in list(entry.iter()):
        name = etree.QName(element).localname
        if len(element) and element is not entry and name != "extra":
            extra = etree.SubElement(element, f"{{{TNS}}}extra")
            etree.SubElement(extra, f"{{{TNS}}}name").text = "later"
            etree.SubElement(extra, f"{{{TNS}}}value").text = "fact"
        elif name in OPEN_WORDS:
            element.text = "a_new_word"
    assert schema().validate(entry), schema().error_log
    return etree.tostring(root)


@pytest.fixture
def later(door, version):
    door.version = version
    door.browser = Client(Later(door.app))
    return door


def test_new_facts_and_words_reach_an_old_strict_client(later, clock):
    """SOAP-88: zeep refuses unknown elements, so nothing but ``extra`` may grow."""
    batch = later.call("ImportSubscribers", mode="Add", interest=["News"], record=[
        {"remoteId": "K-1", "email": "ann@example.org", "field": [{"name": "Shoe", "value": "9"}]}, {"email": "x"}])
    assert batch.overall == batch.result[0].status == "a_new_word"
    later.call("Unsubscribe", entry=[{"email": "bo@example.org"}])
    clock.advance(seconds=1)
    mailing = later.call("CreateMailing", name="m", subject="s", fromAddress="a@example.org", html="<p/>",
                         interest=["News"])
    instance = later.call("SendMailing", mailingId=mailing.mailingId)
    answers = [
        batch, batch.result[0], batch.result[0].warning[0], mailing, instance,
        later.call("GetMailingReport", instanceId=instance.instanceId), later.call("GetMailing", mailingId="1"),
        later.call("FindSubscribers"), later.call("FindInterests").item[0], later.call("FindEvents").item[0],
        later.call("GetSubscriber", identifier={"remoteId": "K-1"}).link[0], later.call("GetVersion", user=None),
        later.call("GetServerTime", user=None), later.call("PreviewMailing", mailingId="1")]
    person = later.call("ExplainSubscriber", identifier={"remoteId": "K-1"}).person[0]
    described = later.call("DescribeFields")
    answers += [
        later.call("StartImport", mode="Add", format="Records", record=[{}]), described, described.field[0],
        described.limit[0], person, person.verdict, person.decision[0], person.link[0], person.membership[0],
        later.call("GetSubscriberHistory", identifier={"remoteId": "K-1"}).item[0],
        later.call("FindInterestChanges", interest="News").item[0],
        later.call("OptOut", interest=["News"], entry=[{"remoteId": "K-1"}]).result[0],
        later.call("ChangeRemoteId", oldRemoteId="K-1", newRemoteId="K-2"),
        later.call("FindDeliveries", instanceId=instance.instanceId), later.call("FindWritebacks", user="admin")]
    for answer in answers:
        assert ("later", "fact") in [(each.name, each.value) for each in answer.extra], answer
