"""Unsubscribe: people who want no more mail at all (aapi.md section 5.2)."""

import pytest

from tests.aapi.people import people, rows, subscribe, subscriber, told, unsubscribed

DEFAULT = "Unsubscribed via Informz Web Service"


def unsubscribe(*each):
    """An Unsubscribe element."""
    return f"<Unsubscribe>{people(*each)}</Unsubscribe>"


def test_one_record(any_door):
    """Section 5.2: ID omitted and one record with the e-mail: that one is unsubscribed, in its own account alone."""
    for brand in (1, 2):
        any_door.actions(subscribe(subscriber("ann@example.org", "1"), "bob@example.org"), brand=brand)
    answer = any_door.actions(unsubscribe("Ann@Example.org ", subscriber("bob@example.org", reason="too much")))
    assert told(answer, "Count") == ("2", "success", "2 email addresses unsubscribed.")
    assert unsubscribed(any_door) == {"ann@example.org": ("api", DEFAULT), "bob@example.org": ("api", "too much")}
    assert unsubscribed(any_door, 2) == {}
    assert rows(any_door, """SELECT address, reason, origin FROM event WHERE type = 'unsubscribed' AND brand_id = 1
        ORDER BY id""") == [("ann@example.org", DEFAULT, "api"), ("bob@example.org", "too much", "api")]


def test_several_records(door):
    """Section 5.2: ID omitted and several records with the e-mail: ConflictingInformationException, nothing changed."""
    door.actions(subscribe(subscriber("fam@example.org", "1"), subscriber("fam@example.org", "2"), "ann@example.org"))
    fault = door.fault(unsubscribe("ann@example.org", "fam@example.org"))
    assert fault.code == "ConflictingInformationException" and "fam@example.org" in fault.reason
    assert unsubscribed(door) == {}


def test_the_pair(door):
    """Section 5.2: e-mail and ID name one of several records; by ID-50 the address gets no more mail."""
    door.actions(subscribe(subscriber("fam@example.org", "1"), subscriber("fam@example.org", "2")))
    assert told(door.actions(unsubscribe(subscriber("fam@example.org", "2"))), "Count")[:2] == ("1", "success")
    assert list(unsubscribed(door)) == ["fam@example.org"]
    assert rows(door, "SELECT count(*) FROM subscriber WHERE opted_out_at IS NOT NULL") == [(2,)]


@pytest.mark.parametrize("pair", [("ann@example.org", "9"), ("bob@example.org", "1"), ("nobody@example.org", "1"),
                                  ("malformed", "1")])
def test_no_such_pair(door, pair):
    """Section 5.2: ID given and no such pair: ItemNotFoundException, nothing changed."""
    door.actions(subscribe(subscriber("ann@example.org", "1"), "bob@example.org"))
    fault = door.fault(unsubscribe("bob@example.org", subscriber(*pair)))
    assert fault.code == "ItemNotFoundException" and pair[0] in fault.reason
    assert unsubscribed(door) == {}


def test_nobody(door):
    """Section 5.2: an address that nobody has is not counted and is no fault; by ID-50 it is opted out all the same."""
    answer = door.actions(unsubscribe("nobody@example.org"))
    assert told(answer, "Count") == ("0", "success", "0 email addresses unsubscribed.")
    assert list(unsubscribed(door)) == ["nobody@example.org"]
    door.actions(subscribe("nobody@example.org"))
    assert list(unsubscribed(door)) == ["nobody@example.org"]


def test_twice(door):
    """ID-50: doing it again is harmless, and the first reason and event stay."""
    door.actions(subscribe("ann@example.org"))
    for reason in ("first", "second"):
        answer = door.actions(unsubscribe(subscriber("ann@example.org", reason=reason)))
        assert told(answer, "Count")[0] == "1"
    assert unsubscribed(door) == {"ann@example.org": ("api", "first")}
    assert rows(door, "SELECT count(*) FROM event WHERE type = 'unsubscribed'") == [(1,)]


def test_malformed(door):
    """Section 5: a malformed address is skipped and named; nothing but such is a failure without a fault."""
    door.actions(subscribe("ann@example.org"))
    assert told(door.actions(unsubscribe("ann@example.org", "malformed")), "Count") == (
        "1", "success", "1 email addresses unsubscribed. Skipped as malformed: malformed.")
    assert told(door.actions(unsubscribe("malformed")), "Count")[:2] == ("0", "failure")


@pytest.mark.parametrize("action", ["<Unsubscribe/>", unsubscribe(), unsubscribe(subscriber(None, "1")),
                                    unsubscribe(subscriber(" "))])
def test_what_is_missing(door, action):
    """Section 8: a required node that is missing is a fault."""
    door.actions(subscribe(subscriber("ann@example.org", "1")))
    assert door.fault(action).code == "InsufficientInformationToCompleteActionException"
    assert unsubscribed(door) == {}


def test_more_than_a_thousand(door):
    """Section 5.2 names no limit: more entries than one call of the services takes are done all the same."""
    door.actions(subscribe(*(f"p{n}@example.org" for n in range(1000))))
    answer = door.actions(unsubscribe(*(f"p{n}@example.org" for n in range(-3, 1000))))
    assert told(answer, "Count")[:2] == ("1000", "success")
    assert len(unsubscribed(door)) == 1003
