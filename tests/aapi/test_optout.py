"""Optout: people who leave interests and stay subscribers (aapi.md section 5.3)."""

import pytest

from tests.aapi.people import details, interest_names, members, people, rows, subscribe, subscriber, told, unsubscribed


def opt_out(*each, names=("News",)):
    """An Optout element."""
    return f"<Optout>{interest_names(*names)}{people(*each)}</Optout>"


def left(door, brand=1):
    """(address, interest) of who has left what by their own wish."""
    return rows(door, f"""SELECT s.email, i.name FROM interest_opt_out o JOIN subscriber s ON s.id = o.subscriber_id
        JOIN interest i ON i.id = o.interest_id WHERE o.brand_id = {brand} ORDER BY s.email, s.id, i.name""")


@pytest.fixture
def filled(door):
    """A door whose accounts have three people in News and Events."""
    for brand in (1, 2):
        family = (subscriber("fam@example.org", "1"), subscriber("fam@example.org", "2"))
        door.actions(subscribe("ann@example.org", *family, interests=details("News", "Events")), brand=brand)
    return door


def test_leaves_and_stays(filled):
    """Section 5.3: they leave the named interests alone, stay subscribers, and other accounts see nothing of it."""
    answer = filled.actions(opt_out("ann@example.org"))
    assert told(answer, "Count") == ("1", "success", "1 email addresses opted out.")
    assert left(filled) == [("ann@example.org", "News")] and left(filled, 2) == [] and unsubscribed(filled) == {}
    filled.actions(subscribe("ann@example.org", interests=details("News")))
    assert left(filled) == [("ann@example.org", "News")]


def test_several_interests_and_repeats(filled):
    """Section 5.3, ID-50: any number of interests, and the same again changes nothing."""
    for _ in range(2):
        filled.actions(opt_out("ann@example.org", names=("News", " Events ")))
    assert left(filled) == [("ann@example.org", "Events"), ("ann@example.org", "News")]
    assert rows(filled, "SELECT count(*) FROM event WHERE type = 'opted_out'") == [(2,)]


def test_several_records(filled):
    """Section 5.3: an e-mail with several records and no ID opts all of them out; with an ID that one."""
    filled.actions(opt_out(subscriber("fam@example.org", "2"), names=("Events",)))
    filled.actions(opt_out("fam@example.org"))
    assert left(filled) == [("fam@example.org", "News"), ("fam@example.org", "Events"), ("fam@example.org", "News")]


def test_what_is_counted(filled):
    """Section 5.3: Count includes malformed addresses, which are ignored, and addresses that are not in the interest.
    """
    filled.actions(subscribe("cy@example.org"))
    answer = filled.actions(opt_out("ann@example.org", "malformed", "cy@example.org", "nobody@example.org",
                                    subscriber("ann@example.org", "unknown")))
    assert told(answer, "Count") == ("5", "success", "5 email addresses opted out. Ignored as malformed: malformed.")
    assert left(filled) == [("ann@example.org", "News"), ("cy@example.org", "News")]
    assert members(filled, "News") == ["ann@example.org", "fam@example.org", "fam@example.org"]
    assert told(filled.actions(opt_out("malformed")), "Count")[:2] == ("1", "failure")


@pytest.mark.parametrize("action", [
    opt_out("ann@example.org", names=()), opt_out("ann@example.org", names=(" ",)), opt_out(), opt_out(subscriber(" ")),
    opt_out(subscriber(None, "1")), "<Optout><InterestNames/><Subscribers/></Optout>"])
def test_what_is_missing(filled, action):
    """Section 5.3: at least one InterestName and one Email."""
    assert filled.fault(action).code == "InsufficientInformationToCompleteActionException"
    assert left(filled) == []


def test_all_interests_must_exist(filled):
    """Section 5.3: one interest that does not exist: ItemNotFoundException, and nobody leaves anything."""
    fault = filled.fault(opt_out("ann@example.org", names=("News", "Nothing")))
    assert fault.code == "ItemNotFoundException" and "Nothing" in fault.reason
    assert left(filled) == []


def test_an_interest_of_another_account(filled):
    """Section 2: an interest of another account does not exist here."""
    filled.actions(subscribe("ann@example.org", interests=details("Theirs")), brand=2)
    assert filled.fault(opt_out("ann@example.org", names=("Theirs",))).code == "ItemNotFoundException"
