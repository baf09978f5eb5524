"""Does the second resolver choose the rule that section 3 of identity.md names?"""

from __future__ import annotations

import datetime as dt
import itertools

import pytest

from gateway.domain.identity import resolve
from gateway.domain.people import Directory, Key, Person
from gateway.domain.resolution import ADOPT, CREATE, FAIL, MOVE, UPDATE, Identity

AMS, CRM = 1, 2
ANN, LEE = "ann@example.org", "lee@example.org"
ENDED = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def directory(*people, **options):
    """A picture as the integration AMS sees it, of (email, keys) pairs; ids count from 1. A key in a list has ended."""
    picture = Directory(AMS, itertools.count(100).__next__, one_to_many=True, **options)
    for number, (email, *keys) in enumerate(people, 1):
        live = {key: Key() for key in keys if isinstance(key, tuple)}
        ended = {tuple(key): Key(ended_at=ENDED) for key in keys if isinstance(key, list)}
        picture.add(Person(number, email, not keys, 1, 1, is_main=True, keys=live | ended))
    return picture


CASES = [
    # rule, people before, remote ID, address, action, who, matched by, main it moves to, code
    ("ID-20", [(ANN, (AMS, "17"))], "17", ANN, UPDATE, 1, "remoteId", None, None),
    ("ID-20", [(ANN, [AMS, "17"])], "17", ANN, UPDATE, 1, "remoteId", None, None),
    ("ID-21", [(ANN,)], "17", ANN, ADOPT, 1, "email", None, None),
    ("ID-21", [(ANN, (AMS, "18"), (CRM, "17"))], "17", ANN, ADOPT, 1, "email", None, None),
    ("ID-22", [(LEE, (AMS, "18"))], "17", ANN, CREATE, None, None, None, None),
    ("ID-22", [], None, ANN, CREATE, None, None, None, None),
    ("ID-23", [(ANN, (AMS, "17"), (AMS, "18"))], None, ANN, UPDATE, 1, "email", None, None),
    ("ID-24", [(ANN, (AMS, "17"))], "17", LEE, UPDATE, 1, "remoteId", None, None),
    ("ID-24", [(ANN, (AMS, "17"), [CRM, "5"])], "17", LEE, UPDATE, 1, "remoteId", None, None),
    ("ID-25", [(ANN, (AMS, "17"), (CRM, "5"))], "17", LEE, MOVE, 1, "remoteId", None, None),
    ("ID-25", [(ANN, (AMS, "17"), (AMS, "18"))], "17", LEE, MOVE, 1, "remoteId", None, None),
    ("ID-25", [(ANN, (AMS, "17")), (LEE,)], "17", LEE, MOVE, 1, "remoteId", 2, None),
    ("ID-18", [(ANN, (AMS, "17"))], "17", None, UPDATE, 1, "remoteId", None, None),
    ("ID-18", [], "17", None, FAIL, None, None, None, "EMAIL_MISSING"),
    ("ID-19", [(ANN,)], None, None, FAIL, None, None, None, "IDENTIFIER_MISSING"),
]


@pytest.mark.parametrize(("rule", "people", "remote_id", "email", "action", "who", "matched_by", "main", "code"), CASES)
def test_section_3(rule, people, remote_id, email, action, who, matched_by, main, code):
    """ID-4, ID-20..25, a case for each row and for what lies just beside it."""
    found = resolve(Identity(remote_id, email), directory(*people))
    assert (found.rule, found.action, found.matched_by) == (rule, action, matched_by)
    assert (found.person and found.person.subscriber_id) == who
    assert (found.main and found.main.subscriber_id) == main
    assert (found.problem and found.problem.code) == code


def test_a_person_who_sends_renames_nobody():
    """ID-24: only an integration does; a person's file that may change addresses moves the link (ID-25)."""
    picture = directory((ANN, (AMS, "17")), from_integration=False)
    assert resolve(Identity("17", LEE), picture).rule == "ID-25"
    picture.may_change_addresses = False
    assert resolve(Identity("17", LEE), picture).rule == "ID-28"
    assert resolve(Identity("17", ANN), picture).rule == "ID-20"


def test_on_the_way_to_one_to_many_the_oldest_record_counts():
    """ID-74: several records of an address, until the merge has come to it; the main counts once there is one."""
    picture = directory((ANN, (CRM, "5")), (ANN, (AMS, "17")))
    for person in picture.living_at(ANN):
        person.is_main = False
    assert resolve(Identity(None, ANN), picture).person.subscriber_id == 1
    assert resolve(Identity("17", ANN), picture).person.subscriber_id == 2
    picture.living_at(ANN)[1].is_main = True
    assert resolve(Identity(None, ANN), picture).person.subscriber_id == 2


def test_legacy():
    """ID-3: the remote ID alone; section 2 or 3 with it."""
    for one_to_many, rule in ((False, "ID-12"), (True, "ID-21")):
        picture = directory((ANN,))
        picture.legacy, picture.one_to_many = True, one_to_many
        assert resolve(Identity("17", ANN), picture).rule == rule
        found = resolve(Identity(None, ANN), picture)
        assert (found.rule, found.action, found.problem.code) == ("ID-3", FAIL, "REMOTE_ID_REQUIRED")
        assert "iMIS ID" in found.problem.message
