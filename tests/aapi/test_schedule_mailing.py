"""ScheduleMailing (aapi.md section 5.6)."""

import datetime as dt
import email
import email.policy

import pytest
import sqlalchemy as sa

from gateway.db.models.mailings import accounting_code, delivery, instance, mailing
from gateway.db.models.subscribers import interest, subscriber
from gateway.db.queries import accounts
from gateway.domain.records import Identifier, StatusEntry
from gateway.services import sending, suppression
from tests.aapi.door import NS, Door
from tests.support.mailhouse import QUICK
from tests.support.smtp_sink import SmtpSink

MAILING = ("<CreateMailing><Name>Fall news</Name><EmailFrom>office@example.org</EmailFrom><Subject>Fall news</Subject>"
           "<Stories><Story><StoryID>1</StoryID><Title>Welcome</Title><HtmlContent>&lt;p&gt;Hello "
           "{{ First_Name }}&lt;/p&gt;</HtmlContent></Story></Stories></CreateMailing>")
LATER = "2030-10-15T19:30:00"
ANN, BOB = "ann@example.org", "bob@example.org"


def subscribers(*people, definitions=""):
    """SubscriberData of addresses, or of (address, ID, {field: value})."""
    written = []
    for each in people:
        address, number, values = (each, None, {}) if isinstance(each, str) else each
        fields = "".join(f'<Field element="{name}">{value}</Field>' for name, value in values.items())
        written.append(f"<Subscriber><Email>{address}</Email>{f'<ID>{number}</ID>' if number else ''}"
                       f"<Fields>{fields}</Fields></Subscriber>")
    return f"<SubscriberData>{definitions}<Subscribers>{''.join(written)}</Subscribers></SubscriberData>"


def group(name="News", data="", more=""):
    return (f"<DefaultTargetGroup><TargetGroup><Interest>{more}<TargetGroupName>{name}</TargetGroupName>{data}"
            "</Interest></TargetGroup></DefaultTargetGroup>")


def publish(mailing_id=1, *, at=LATER, test="0", to=None, more=""):
    to = group() if to is None else to
    return (f"<ScheduleMailing><MailingID>{mailing_id}</MailingID><PublishDateTime>{at}</PublishDateTime>"
            f"<IsTest>{test}</IsTest>{more}<TargetGroupAssignment>{to}</TargetGroupAssignment></ScheduleMailing>")


def interested(*names, brand=1):
    """A document part that makes interests with one member."""
    listed = "".join(f"<InterestName>{name}</InterestName>" for name in names)
    return ("<Subscribe><InterestDetails><InterestNames>" + listed + "</InterestNames><InterestAction>"
            "AddOrUpdateSubscribers</InterestAction></InterestDetails>"
            + subscribers(f"member{brand}@example.org") + "</Subscribe>")


def rows(door, table, *columns):
    with door.world.reading() as unit:
        return unit.connection.execute(sa.select(*columns or (table,)).select_from(table).order_by(
            *table.primary_key.columns)).all()


def tree(node):
    """(name, text) of everything below an element."""
    return [(each.tag.removeprefix(f"{{{NS}}}"), each.text) for each in node.iter()][1:]


def answer_of(door, action, brand=1):
    """The one answer to an action."""
    (found,) = door.actions(action, brand=brand).find(f"{{{NS}}}Responses")
    return found


@pytest.fixture
def ready(door):
    """A door where accounts 1 and 2 have a mailing (1 and 2) and the interest News."""
    for brand in (1, 2):
        door.actions(MAILING, interested("News", brand=brand), brand=brand)
    return door


def test_the_example(ready):
    """Section 9.5: accepted now, sent later; the answer has the new instance."""
    answer = answer_of(ready, publish(2), brand=2)
    (row,) = rows(ready, instance)
    assert answer.tag == f"{{{NS}}}ScheduleMailing"
    assert tree(answer) == [("MailingID", "2"), ("MailingInstanceID", str(row.id)), ("ActionStatus", None),
                            ("Status", "success"), ("Message", "Mailing scheduled.")]
    assert (row.brand_id, row.mailing_id, row.state, row.is_test, row.created_by) == (
        2, 2, "scheduled", False, "user:sender")
    assert row.send_at == dt.datetime(2030, 10, 15, 19, 30, tzinfo=dt.UTC)
    stored = rows(ready, mailing)[1]
    assert (stored.state, stored.schedule_choice, stored.accounting_code) == ("released", 2, None)


def test_every_publishing_is_a_new_instance_at_once(ready):
    """Section 5.6: two of one document and one more; a time that is over means now, in choice and in time."""
    ready.actions(publish(), publish())
    answer_of(ready, publish(at="2001-01-01", test="1", more="<AccountingCode>General</AccountingCode>"))
    found = rows(ready, instance)
    assert [(each.mailing_id, each.is_test) for each in found] == [(1, False), (1, False), (1, True)]
    assert found[2].send_at == ready.world.clock.now
    assert rows(ready, mailing)[0].schedule_choice == 1
    assert rows(ready, mailing)[0].accounting_code == "General"
    assert [(each.brand_id, each.code) for each in rows(ready, accounting_code)] == [(1, "General")]


@pytest.mark.parametrize(("at", "moment"), [
    ("2030-10-15T19:30:00-05:00", "2030-10-16T00:30:00+00:00"), ("2030-10-15", "2030-10-15T00:00:00+00:00"),
    ("2030-10-15T19:30:00Z", "2030-10-15T19:30:00+00:00")])
def test_times(ready, at, moment):
    """Section 5: dates without a zone are GMT."""
    answer_of(ready, publish(at=at))
    assert rows(ready, instance)[0].send_at == dt.datetime.fromisoformat(moment)


@pytest.mark.parametrize(("action", "code", "told"), [
    (publish(""), "InsufficientInformationToCompleteActionException", "MailingID"),
    (publish(at=""), "InsufficientInformationToCompleteActionException", "PublishDateTime"),
    (publish(test=""), "InsufficientInformationToCompleteActionException", "IsTest"),
    (publish().replace("TargetGroupAssignment", "Other"), "InsufficientInformationToCompleteActionException",
     "TargetGroupAssignment"),
    (publish(to=""), "InsufficientInformationToCompleteActionException", "DefaultTargetGroup"),
    (publish(to="<DefaultTargetGroup><TargetGroup/></DefaultTargetGroup>"),
     "InsufficientInformationToCompleteActionException", "Interest"),
    (publish(to=group("")), "InsufficientInformationToCompleteActionException", "TargetGroupName"),
    (publish("one"), "InvalidDataFormatException", "one"), (publish("-1"), "InvalidDataFormatException", "-1"),
    (publish(at="soon"), "InvalidDataFormatException", "PublishDateTime"),
    (publish(test="maybe"), "InvalidDataFormatException", "IsTest"),
    (publish(99), "ItemNotFoundException", "mailing"), (publish(2), "ItemNotFoundException", "mailing"),
    (publish(to=group("Nowhere")), "ItemNotFoundException", "Nowhere"),
    (publish(to=group() + group()), "MultipleDefaultTargetGroupsException", "one DefaultTargetGroup"),
    (publish(to=group().replace("</Interest>", "</Interest><Interest/>")), "MultipleDefaultTargetGroupsException",
     "one Interest"),
    (publish(to=group() + "<StoryTargetGroup><StoryID>9</StoryID></StoryTargetGroup>"),
     "MismatchedTargetGroupsException", "no story 9"),
    (publish(to=group() + "<StoryTargetGroup><StoryID>1</StoryID></StoryTargetGroup>"),
     "ConfigurationErrorException", "story 1"),
    (publish(to=group() + "<Everybody/>"), "UnexpectedInputException", "Everybody"),
    (publish(to=group("New", "<SubscriberData><Subscribers/></SubscriberData>")),
     "InsufficientInformationToCompleteActionException", "Subscriber"),
    (publish(to=group("New", "<SubscriberData><Subscribers><Subscriber/></Subscribers></SubscriberData>")),
     "InsufficientDataToCreateSubscriberException", "Email"),
    (publish(at="9999-01-01"), "UnexpectedInputException", "hundred years"),
    (publish(more=f"<AccountingCode>{'x' * 51}</AccountingCode>"), "UnexpectedInputException", "accounting code"),
])
def test_refusals(ready, action, code, told):
    """Sections 5.6 and 8: the code and what is wrong; nothing is stored, nothing is published."""
    before = rows(ready, interest), rows(ready, subscriber), rows(ready, mailing)
    fault = ready.fault(action)
    assert (fault.code, fault.side) == (code, "Client") and told in fault.reason
    assert rows(ready, instance) == []
    assert (rows(ready, interest), rows(ready, subscriber), rows(ready, mailing)) == before


def test_the_right_to_send(ready):
    """Section 2.1."""
    assert ready.fault(publish(), user="reader").code == "SystemAccessException"


def test_a_brand_that_reviews_its_mailings(ready):
    """SEND-2: nobody has approved it; the reason says so, and nobody is stored on the way."""
    with ready.world.unit() as unit:
        accounts.set_brand_settings(unit.connection, 1, {"review": True})
    fault = ready.fault(publish(to=group("New", subscribers(ANN))))
    assert fault.code == "UnexpectedInputException" and "reviews its mailings" in fault.reason
    assert ANN not in [each.email for each in rows(ready, subscriber)]
    answer_of(ready, publish(2), brand=2)


@pytest.mark.parametrize(("outer", "inner", "shown"), [("0", "1", True), ("1", "0", True), ("1", None, True),
                                                       ("0", "0", False), (None, None, False)])
def test_refused_recipients_are_listed_where_that_is_asked_for(ready, outer, inner, shown):
    """Section 5.6: ReturnInvalidSubscribers, outer or inner; the others are in the interest, which is new."""
    def asked(value):
        return "" if value is None else f"<ReturnInvalidSubscribers>{value}</ReturnInvalidSubscribers>"

    answer = answer_of(ready, publish(more=asked(outer), to=group(
        "Fall event", subscribers(ANN, "no address", "a@b@c", f"{'x' * 90}@example.org"), asked(inner))))
    listed = [each.text for each in answer.iterfind(f"{{{NS}}}InvalidSubscribers/{{{NS}}}Email")]
    assert (answer.find(f"{{{NS}}}InvalidSubscribers") is not None) == shown
    assert listed == (["no address", "a@b@c", f"{'x' * 90}@example.org"] if shown else [])
    assert [each.tag.rpartition("}")[2] for each in answer][:2] == ["MailingID", "MailingInstanceID"]
    assert "Fall event" in [each.name for each in rows(ready, interest)]


def test_an_ambiguous_recipient_refuses_the_document(ready):
    """Section 6: an address that several records have, without ID; nothing is stored or published."""
    ready.actions("<Subscribe>" + subscribers((ANN, "1", {}), (ANN, "2", {})) + "</Subscribe>")
    fault = ready.fault(publish(to=group("New", subscribers(BOB, ANN))))
    assert fault.code == "ConflictingInformationException" and ANN in fault.reason
    assert rows(ready, instance) == [] and "New" not in [each.name for each in rows(ready, interest)]


def test_one_document_that_ends_in_mailboxes(database_url, clock, tmp_path):
    """Section 5.6: one document makes the interest, loads recipients with personalization and publishes; a value that
    is missing takes the DefaultValue; who is unsubscribed is not refused but left out. Beside it a publishing to an
    interest that was there goes to its members alone, in the other account, too."""
    with SmtpSink() as sink:
        door = Door(database_url, clock=clock, data_dir=tmp_path, smtp_url=sink.url)
        try:
            for brand in (1, 2):
                door.actions(MAILING, interested("News", brand=brand), brand=brand)
            door.actions("<Subscribe>" + subscribers("gone@example.org") + "</Subscribe>")
            with door.gateway.unit(door.actor()) as unit:
                suppression.unsubscribe(unit, [StatusEntry(Identifier(email="gone@example.org"), "enough")])
            clock.advance(minutes=1)
            fields = ("<FieldDefinitions><FieldDefinition><Name>First_Name</Name><DataType>String</DataType>"
                      "<DefaultValue>Customer</DefaultValue></FieldDefinition></FieldDefinitions>")
            people = subscribers((ANN, "321", {"First_Name": "Ann"}), BOB, "gone@example.org", definitions=fields)
            door.actions(publish(at="2026-01-01", to=group("Fall event", people)),
                         publish(at="2026-01-01", to=group("News")))
            door.actions(publish(2, at="2026-01-01"), brand=2)
            for instance_id, brand in ((1, 1), (2, 1), (3, 2)):
                sending.run_instance(door.gateway, brand, instance_id, QUICK)
            arrived = [(each.envelope_to[0], html_of(each.data)) for each in sink.messages]
            states = [(each.instance_id, each.email, each.reason or each.state) for each in rows(door, delivery)]
        finally:
            door.close()
    assert sorted(states) == [
        (1, ANN, "accepted"), (1, BOB, "accepted"), (1, "gone@example.org", "unsubscribed"),
        (2, "member1@example.org", "accepted"), (3, "member2@example.org", "accepted")]
    assert sorted((to, "Hello Ann" in html, "Hello Customer" in html) for to, html in arrived) == [
        (ANN, True, False), (BOB, False, True), ("member1@example.org", False, True),
        ("member2@example.org", False, False)]


def html_of(data):
    """The HTML part of a message."""
    return email.message_from_bytes(data, policy=email.policy.default).get_body(("html",)).get_content()
