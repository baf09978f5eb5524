"""Does the resolver choose the rule that section 2 of identity.md names?"""

from __future__ import annotations

import itertools

import pytest

from gateway.domain.identity import resolve
from gateway.domain.people import Directory, Key, Person
from gateway.domain.resolution import ADOPT, CREATE, FAIL, UPDATE, Identity

AMS, CRM = 1, 2
ANN, LEE = "ann@example.org", "lee@example.org"


def directory(*people, may_change_addresses=True):
    """A picture as the integration AMS sees it, of (email, keys) pairs; ids count from 1."""
    picture = Directory(AMS, itertools.count(100).__next__, may_change_addresses)
    for number, (email, *keys) in enumerate(people, 1):
        picture.add(Person(number, email, not keys, 1, 1, keys={key: Key() for key in keys}))
    return picture


CASES = [
    # rule, people before, remote ID, address, action, who, matched by, twin, code
    ("ID-10", [(ANN, (AMS, "17"))], "17", ANN, UPDATE, 1, "remoteId", None, None),
    ("ID-10", [(ANN, (AMS, "17")), (ANN, (AMS, "18"))], "17", ANN, UPDATE, 1, "remoteId", None, None),
    ("ID-10", [(ANN, (AMS, "17")), (ANN,)], "17", ANN, UPDATE, 1, "remoteId", 2, None),
    ("ID-11", [(ANN, (AMS, "17"))], "17", LEE, UPDATE, 1, "remoteId", None, None),
    ("ID-11", [(ANN, (AMS, "17")), (LEE,)], "17", LEE, UPDATE, 1, "remoteId", 2, None),
    ("ID-11", [(ANN, (AMS, "17")), (LEE, (CRM, "5"))], "17", LEE, UPDATE, 1, "remoteId", None, None),
    ("ID-12", [(ANN,)], "17", ANN, ADOPT, 1, "email", None, None),
    ("ID-12", [(ANN, (CRM, "5")), (ANN,)], "17", ANN, ADOPT, 2, "email", None, None),
    ("ID-13", [], "17", ANN, CREATE, None, None, None, None),
    ("ID-13", [(ANN, (AMS, "18"))], "17", ANN, CREATE, None, None, None, None),
    ("ID-13", [(ANN, (CRM, "17"))], "17", ANN, CREATE, None, None, None, None),  # another system's 17
    ("ID-13", [(ANN, (AMS, "ab"))], "AB", ANN, CREATE, None, None, None, None),  # ID-6: case counts
    ("ID-14", [(LEE,)], None, ANN, CREATE, None, None, None, None),
    ("ID-15", [(ANN,)], None, ANN, UPDATE, 1, "email", None, None),
    ("ID-15", [(ANN, (CRM, "5"))], None, ANN, UPDATE, 1, "email", None, None),
    ("ID-16", [(ANN, (AMS, "17")), (ANN, (AMS, "18"))], None, ANN, FAIL, None, "email", None, "AMBIGUOUS_EMAIL"),
    ("ID-18", [(ANN, (AMS, "17"))], "17", None, UPDATE, 1, "remoteId", None, None),
    ("ID-18", [], "17", None, FAIL, None, None, None, "EMAIL_MISSING"),
    ("ID-19", [(ANN,)], None, None, FAIL, None, None, None, "IDENTIFIER_MISSING"),
]


@pytest.mark.parametrize(("rule", "people", "remote_id", "email", "action", "who", "matched_by", "twin", "code"), CASES)
def test_section_2(rule, people, remote_id, email, action, who, matched_by, twin, code):
    """ID-10..19, a case for each row and for what lies just beside it."""
    found = resolve(Identity(remote_id, email), directory(*people))
    assert (found.rule, found.action, found.matched_by) == (rule, action, matched_by)
    assert (found.person and found.person.subscriber_id) == who
    assert (found.twin and found.twin.subscriber_id) == twin
    assert (found.problem and found.problem.code) == code


def test_who_may_not_change_addresses():
    """ID-28: nothing changes; the same address is no change."""
    picture = directory((ANN, (AMS, "17")), may_change_addresses=False)
    found = resolve(Identity("17", LEE), picture)
    assert (found.rule, found.action, found.problem.code) == ("ID-28", FAIL, "IDENTITY_MISMATCH")
    assert resolve(Identity("17", ANN), picture).rule == "ID-10"


def test_tombstones_are_found_neither_by_address_nor_by_key():
    """ID-26, section 1."""
    picture = directory((ANN, (AMS, "17")), (LEE,))
    picture.bury(picture.living_at(LEE)[0], picture.holder("17"))
    assert resolve(Identity(None, LEE), picture).rule == "ID-14"
    assert resolve(Identity("18", LEE), picture).rule == "ID-13"
