"""Subscribe: small, synchronous updates by old clients (aapi.md sections 5.1, 6 and 9.3)."""

import pytest

from gateway.db.queries import fields
from gateway.domain.records import ImportOptions, SubscriberRecord
from gateway.services import imports, subscribers, suppression
from tests.aapi.door import NS, Refused, inner_document
from tests.aapi.people import (
    definition,
    details,
    interest_names,
    members,
    people,
    rows,
    stored,
    subscribe,
    subscriber,
    told,
    unsubscribed,
)

COUNTS = ("NewSubscriberCount", "PreviousSubscriberCount")
REPLACE = "ReplaceAllSubscribers"


def values(door, email, brand=1):
    """What personalisation would show of whoever has the address."""
    (person,), = rows(door, f"SELECT id FROM subscriber WHERE email = '{email}' AND brand_id = {brand}")
    with door.gateway.reading(door.actor(brand=brand)) as unit:
        return subscribers.merge_values(unit, [person])[person]


def test_the_example(any_door):
    """Section 9.3: 321 adopts the existing record of ann, bob is new; both join News, which is made. Other brands see
    nothing of it."""
    any_door.actions(subscribe("ann@example.org"))
    answer = any_door.actions(subscribe(subscriber("ann@example.org", "321", {"First_Name": "Ann"}), "bob@example.org",
                                        interests=details("News")))
    assert told(answer, *COUNTS) == ("1", "1", "success", "2 subscribers processed.")
    made, = answer.find(f"{{{NS}}}Responses")
    assert [child.tag.rpartition("}")[2] for child in made] == [*COUNTS, "ActionStatus"]
    assert stored(any_door) == [("ann@example.org", "321"), ("bob@example.org", None)]
    assert members(any_door, "News") == ["ann@example.org", "bob@example.org"]
    assert values(any_door, "ann@example.org") == {"FirstName": "Ann"}
    assert stored(any_door, 2) == [] and rows(any_door, "SELECT count(*) FROM interest WHERE brand_id = 2") == [(0,)]


def test_two_brands(door):
    """Section 2: the same person in two accounts is two records that know nothing of each other."""
    for brand in (1, 2):
        answer = door.actions(subscribe(subscriber("ann@example.org", "321"), interests=details("News")), brand=brand)
        assert told(answer, *COUNTS)[:2] == ("1", "0")
    door.actions(subscribe(subscriber("lee@example.org", "321"), interests=details("News", action=REPLACE)), brand=2)
    assert stored(door) == [("ann@example.org", "321")] and stored(door, 2) == [("lee@example.org", "321")]
    assert members(door, "News", 1) == ["ann@example.org"]


@pytest.mark.parametrize(("before", "given", "after", "counts"), [
    ([("a@x.org", "1")], ("a@x.org", "1"), [("a@x.org", "1")], ("0", "1")),
    ([("a@x.org", "1")], ("b@x.org", "1"), [("b@x.org", "1")], ("0", "1")),
    ([("a@x.org", None)], ("a@x.org", "1"), [("a@x.org", "1")], ("0", "1")),
    ([("a@x.org", "2")], ("a@x.org", "1"), [("a@x.org", "2"), ("a@x.org", "1")], ("1", "0")),
    ([], ("a@x.org", "1"), [("a@x.org", "1")], ("1", "0")),
    ([("a@x.org", "1")], ("a@x.org", None), [("a@x.org", "1")], ("0", "1")),
    ([], ("a@x.org", None), [("a@x.org", None)], ("1", "0")),
    ([("a@x.org", "Ab")], ("b@x.org", " Ab "), [("b@x.org", "Ab")], ("0", "1")),
    ([("a@x.org", "Ab")], ("a@x.org", "ab"), [("a@x.org", "Ab"), ("a@x.org", "ab")], ("1", "0")),
], ids=["the pair", "ID with another e-mail", "e-mail without ID", "e-mail with another ID", "nothing",
        "omitted, one record", "omitted, nothing", "trimmed", "exact: ID-6"])
def test_resolution(door, before, given, after, counts):
    """Section 6, row by row, by the one rule of identity.md: ID-6, ID-10 to ID-15."""
    for email, remote_id in before:
        door.actions(subscribe(subscriber(email, remote_id)))
    assert told(door.actions(subscribe(subscriber(*given))), *COUNTS)[:2] == counts
    assert stored(door) == after


def test_ambiguous(door):
    """Section 6, "omitted, several" (ID-16): ConflictingInformationException, and nothing of the document is stored."""
    door.actions(subscribe(subscriber("fam@example.org", "1"), subscriber("fam@example.org", "2")))
    fault = door.fault(subscribe("new@example.org", "fam@example.org"))
    assert fault.code == "ConflictingInformationException" and "fam@example.org" in fault.reason
    assert stored(door) == [("fam@example.org", "1"), ("fam@example.org", "2")]


def test_another_integration(door):
    """Section 6.2: an ID is of the user's integration; the same text of another one is another person's."""
    actor = door.world.actor("crm")
    with door.gateway.unit(actor) as unit:
        imports.import_records(unit, [SubscriberRecord("1", "crm@example.org")], ImportOptions())
    door.actions(subscribe(subscriber("own@example.org", "1")))
    assert stored(door) == [("crm@example.org", "1"), ("own@example.org", "1")]


def test_malformed_addresses(door):
    """Section 5.1: a malformed address, or one of more than 100 characters, is skipped and named."""
    long = f"{'a' * 60}@{'b' * 50}.org"
    answer = door.actions(subscribe("ann@example.org", "not-an-address", long))
    assert told(answer, *COUNTS) == ("1", "0", "success", f"1 subscriber processed. Skipped as malformed: "
                                                          f"not-an-address, {long}.")
    assert stored(door) == [("ann@example.org", None)]


def test_all_unusable(door):
    """Section 5: every record unusable is a failure without a fault."""
    answer = door.actions(subscribe("no", "nor@this"))
    assert told(answer, *COUNTS) == ("0", "0", "failure",
                                     "0 subscribers processed. Skipped as malformed: no, nor@this.")


def test_a_bad_value_is_told(door):
    """Section 5.1: what else a record fails of is in the message, with the field and the reason."""
    answer = door.actions(subscribe(subscriber("ann@example.org", fields={"Born": "soon"}), "bob@example.org",
                                    definitions=definition("Born", "DateTime")))
    counts = told(answer, *COUNTS)
    assert counts[:3] == ("1", "0", "success")
    assert counts[3].startswith("1 subscriber processed. Not stored: ann@example.org: Born: The day does not exist")


@pytest.mark.parametrize(("action", "code"), [
    (subscribe(subscriber(None, "1")), "InsufficientDataToCreateSubscriberException"),
    (subscribe("ann@example.org", subscriber("  ")), "InsufficientDataToCreateSubscriberException"),
    ("<Subscribe/>", "InsufficientInformationToCompleteActionException"),
    ("<Subscribe><SubscriberData/></Subscribe>", "InsufficientInformationToCompleteActionException"),
    (subscribe(), "InsufficientInformationToCompleteActionException"),
    (subscribe("a@x.org", interests=details(action=REPLACE)), "InsufficientInformationToCompleteActionException"),
    (subscribe("a@x.org", interests=f"<InterestDetails>{interest_names('A')}</InterestDetails>"),
     "InsufficientInformationToCompleteActionException"),
    (subscribe("a@x.org", interests=details("A", action="RemoveSubscribers")), "UnexpectedInputException"),
    (subscribe("<Subscriber><Email>a@x.org</Email><Fields><Field>x</Field></Fields></Subscriber>"),
     "InsufficientInformationToCompleteActionException"),
])
def test_what_is_missing(door, action, code):
    """Sections 5.1 and 8: a record without e-mail, missing nodes and a wrong InterestAction are faults, and nothing is
    stored."""
    assert door.fault(action).code == code
    assert stored(door) == [] and rows(door, "SELECT * FROM interest") == []


def test_too_many(door):
    """Section 5.1: 1,000 records are taken, one more is refused and pointed to BulkUpload."""
    answer = door.actions(subscribe(*(f"p{n}@example.org" for n in range(1000)), interests=details("All")))
    assert told(answer, *COUNTS) == ("1000", "0", "success", "1000 subscribers processed.")
    fault = door.fault(subscribe(*(f"p{n}@example.org" for n in range(1001))))
    assert fault.code == "UnexpectedInputException" and "BulkUpload" in fault.reason


def test_no_interest_details(door):
    """Section 5.1: without InterestDetails no interest changes."""
    door.actions(subscribe("ann@example.org", interests=details("News", "Events")))
    door.actions(subscribe("ann@example.org", "bob@example.org"))
    assert members(door, "News") == members(door, "Events") == ["ann@example.org"]


def test_replace_all(door):
    """Section 5.1: members who are not in the request leave the named interests; subscribers, and other interests,
    stay. A member whose record is malformed now is not missing."""
    door.actions(subscribe(subscriber("ann@example.org", "1"), "bob@example.org", "cy@example.org",
                           interests=details("News", "Events")))
    door.actions(subscribe("bob@example.org", subscriber("malformed", "1"), "new@example.org",
                           interests=details("News", action=REPLACE)))
    assert members(door, "News") == ["ann@example.org", "bob@example.org", "new@example.org"]
    assert members(door, "Events") == ["ann@example.org", "bob@example.org", "cy@example.org"]
    assert len(stored(door)) == 4


def test_replace_all_keeps_other_sources(door):
    """Section 5.1, by ID-40: what another integration put into the interest is not this user's to take out."""
    with door.gateway.unit(door.world.actor("crm")) as unit:
        imports.import_records(unit, [SubscriberRecord("9", "crm@example.org")], ImportOptions(interests=("News",)))
    door.actions(subscribe("ann@example.org", interests=details("News", action=REPLACE)))
    assert members(door, "News") == ["ann@example.org", "crm@example.org"]


def test_the_brake(door):
    """Section 5.1 and ID-70: a list that would take out more than a tenth and more than 10 is refused as a whole, and
    the caller is told what to do."""
    crowd = [f"p{n}@example.org" for n in range(30)]
    door.actions(subscribe(*crowd, interests=details("News")))
    fault = door.fault(subscribe("p1@example.org", "new@example.org", interests=details("News", action=REPLACE)))
    assert fault.code == "UnexpectedInputException"
    assert fault.reason.startswith("29 of 31 memberships would end, which the brake for mass changes does not let pass")
    assert "BulkUpload" in fault.reason
    assert len(members(door, "News")) == 30 and len(stored(door)) == 30


def test_never_resubscribes(door):
    """Section 5.1: Subscribe never lifts an unsubscribe; the record is stored all the same."""
    door.actions(subscribe("ann@example.org"))
    with door.gateway.unit(door.actor()) as unit:
        suppression.opt_out(unit, email="ann@example.org", origin="link")
    answer = door.actions(subscribe(subscriber("ann@example.org", fields={"FirstName": "Ann"}),
                                    interests=details("News")))
    assert told(answer, *COUNTS)[:3] == ("0", "1", "success")
    assert unsubscribed(door) == {"ann@example.org": ("link", None)}
    assert values(door, "ann@example.org") == {"FirstName": "Ann"}


def test_field_definitions(any_door):
    """Section 5.1: a field that does not exist is made with the definition's type and default; a demographic has its
    category; a field that a record leaves out keeps its value, and the default serves rendering only."""
    made = (definition("Chapter", DefaultValue="Main") + definition("Joined", "DateTime")
            + definition("Paid", "boolean") + definition("Trade", FieldType="Demographic")
            + definition("First_Name", DefaultValue="Customer"))
    any_door.actions(subscribe(subscriber("ann@example.org", fields={
        "Chapter": "North", "joined": "2030-01-02T03:04:05", "Paid": "1", "Trade": "Baker"}), definitions=made))
    any_door.actions(subscribe("ann@example.org", "bob@example.org", definitions=made))
    assert values(any_door, "ann@example.org") == {
        "Chapter": "North", "Joined": "2030-01-02", "Paid": "true", "Trade": "Baker", "FirstName": "Customer"}
    assert values(any_door, "bob@example.org") == {"Chapter": "Main", "FirstName": "Customer"}
    assert rows(any_door, """SELECT name, kind, default_value, category FROM field WHERE brand_id = 1 AND name IN
        ('Chapter', 'Joined', 'Paid', 'Trade') ORDER BY name""") == [
        ("Chapter", "text", "Main", None), ("Joined", "date", None, None), ("Paid", "boolean", None, None),
        ("Trade", "text", None, "Demographic")]
    with any_door.gateway.reading(any_door.actor(brand=2)) as unit:
        assert "chapter" not in fields.of_brand(unit.connection, 2)
        assert fields.defaults(unit.connection, 2) == {}


def test_defaults_change(door):
    """Section 5.6: the DefaultValue of the last document counts; one without leaves it as it was."""
    for default in ("Customer", "Friend"):
        door.actions(subscribe("ann@example.org", definitions=definition("First_Name", DefaultValue=default)))
    door.actions(subscribe("ann@example.org", definitions=definition("First_Name")))
    assert values(door, "ann@example.org") == {"FirstName": "Friend"}


def test_undefined_field(door):
    """Section 5.1: a field that no definition describes is made as text; an empty one keeps what is stored."""
    door.actions(subscribe(subscriber("ann@example.org", fields={"Dog": "Rex"})))
    door.actions(subscribe(subscriber("ann@example.org", fields={"Dog": ""})))
    assert values(door, "ann@example.org") == {"Dog": "Rex"}


def test_one_transaction(door):
    """Section 5: the first action that fails undoes those before it."""
    fault = door.fault(subscribe("ann@example.org", interests=details("News"), definitions=definition("Dog")),
                       subscribe(subscriber(None, "1")))
    assert fault.code == "InsufficientDataToCreateSubscriberException"
    assert stored(door) == [] and rows(door, "SELECT * FROM interest") == []
    assert rows(door, "SELECT * FROM field WHERE name = 'Dog'") == []


@pytest.mark.parametrize("twice", ["SubscriberData", "Subscribers", "InterestDetails", "InterestNames", "Actions"])
def test_a_node_that_holds_others_comes_once(door, twice):
    """Else the people in the second one would be lost without a word."""
    text = inner_document("ActionRequest", "Actions", subscribe("ann@example.org", interests=details("News")),
                          user=door.user("sender"))
    begin, end = text.index(f"<{twice}>"), text.index(f"</{twice}>") + len(twice) + 3
    with pytest.raises(Refused, match=f"UnexpectedInputException.* takes one {twice}; 2 came"):
        door.send(text[:end] + text[begin:end] + text[end:])
    assert stored(door) == []


def test_order_of_nodes_and_rights(door):
    """Section 2: any order of children; a reader has no right to import (section 2.1)."""
    action = (f"<Subscribe><SubscriberData>{people('ann@example.org')}</SubscriberData><InterestDetails>"
              f"<InterestAction>AddOrUpdateSubscribers</InterestAction>{interest_names('News')}</InterestDetails>"
              "</Subscribe>")
    assert door.fault(action, user="reader").code == "SystemAccessException"
    assert told(door.actions(action))[0] == "success" and members(door, "News") == ["ann@example.org"]


def test_decisions_are_kept(door):
    """ID-78: what this door stored or refused is explained like any other door's."""
    door.actions(subscribe(subscriber("ann@example.org", "1"), "malformed"))
    assert rows(door, "SELECT door, actor, rule, status, email, code FROM decision ORDER BY id") == [
        ("aapi", "user:sender", "ID-13", "created", "ann@example.org", None),
        ("aapi", "user:sender", "ID-8", "failed", "malformed", "INVALID_EMAIL")]
