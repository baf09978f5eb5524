"""Who owns a value, and what survives a merge? (ID-26, ID-36..39)"""

from __future__ import annotations

import datetime as dt
import json

import pytest

from gateway.domain.merge import absorb, effective, join, leave, not_effective, write_values
from gateway.domain.people import Directory, Document, Membership, Person

AMS, CRM, LOCAL, UPLOAD, OTHER_UPLOAD = 1, 2, 3, 4, 5
RANK = {AMS: (0, 1), CRM: (0, 2), LOCAL: (1, 0), UPLOAD: (2, 0), OTHER_UPLOAD: (2, 0)}.__getitem__
EARLY = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
LATE = dt.datetime(2026, 2, 1, tzinfo=dt.UTC)


def someone(number=1, email="ann@example.org", **documents):
    return Person(number, email, True, UPLOAD, UPLOAD)


def test_a_document_is_compact_and_sorted():
    """ID-36: equal values are equal text, whatever the order in which they came."""
    person = someone()
    assert write_values(person, AMS, {"b": "2", "a": "\u00e4", "c": None}, EARLY) == ["b", "a"]
    assert person.documents[AMS].text == '{"a":"\u00e4","b":"2"}'


def test_missing_keeps_and_none_clears():
    """ID-41."""
    person = someone()
    write_values(person, AMS, {"a": "1", "b": "2"}, EARLY)
    assert write_values(person, AMS, {"a": None, "z": None}, LATE) == ["a"]
    assert json.loads(person.documents[AMS].text) == {"b": "2"}


def test_what_stays_keeps_its_time():
    """ID-36: a value's time is when it changed, not when its neighbour did."""
    person = someone()
    write_values(person, AMS, {"a": "1", "b": "2"}, EARLY)
    write_values(person, AMS, {"a": "1", "b": "3"}, LATE)
    values = effective(person.documents, RANK)
    assert (values["a"].changed_at, values["b"].changed_at) == ("2026-01-01T00:00:00.000Z", "2026-02-01T00:00:00.000Z")


def test_equal_values_touch_nothing():
    """ID-72."""
    person = someone()
    person.documents[AMS] = Document('{"a":"1"}', "{}", EARLY)
    assert write_values(person, AMS, {"a": "1", "z": None}, LATE) == []
    assert not person.documents[AMS].is_changed


def test_priority_of_sources():
    """ID-36: integrations in order of creation, local, uploads, then the newest."""
    person = someone()
    for source, value, at in ((OTHER_UPLOAD, "newer upload", LATE), (UPLOAD, "upload", EARLY)):
        write_values(person, source, {"a": value}, at)
    assert effective(person.documents, RANK)["a"].text == "newer upload"
    for source in (LOCAL, CRM, AMS):
        write_values(person, source, {"a": f"of {source}"}, EARLY)
        assert effective(person.documents, RANK)["a"].source_id == source


def test_a_value_behind_another_is_not_effective():
    """ID-37: and the other source's value is left alone."""
    person = someone()
    write_values(person, AMS, {"a": "ams"}, EARLY)
    before = person.documents[AMS].text
    write_values(person, CRM, {"a": "crm", "b": "crm"}, LATE)
    assert not_effective(person, CRM, ["a", "b"], RANK) == ["a"]
    assert person.documents[AMS].text == before


def test_a_source_leaves_only_its_own_open_rows():
    """ID-38: leaving ends the row; joining again opens a second one."""
    person = someone()
    assert join(person, 7, EARLY) and not join(person, 7, LATE)
    assert leave(person, 7, LATE) and not leave(person, 7, LATE)
    assert join(person, 7, LATE)
    assert [(row.since, row.until) for row in person.memberships] == [(EARLY, LATE), (LATE, None)]


def test_merge():
    """ID-26: own value of the same source stays, the rest comes along, the stricter status survives."""
    survivor, loser = Person(1, "lee@example.org", False, AMS, AMS), someone(2, "lee@example.org")
    write_values(survivor, AMS, {"a": "survivor"}, LATE)
    write_values(loser, AMS, {"a": "loser", "b": "loser"}, EARLY)
    write_values(loser, UPLOAD, {"c": "loser"}, EARLY)
    survivor.memberships = [Membership(7, "native", LATE)]
    loser.memberships = [Membership(7, "native", EARLY), Membership(8, "native", EARLY)]
    loser.left, loser.opted_out_at, loser.opt_out_origin = {9}, EARLY, "link"
    picture = Directory(AMS, lambda: 0)
    picture.add(survivor)
    picture.add(loser)

    absorb(picture, survivor, loser, "17", LATE)

    values = effective(survivor.documents, RANK)
    assert {name: value.text for name, value in values.items()} == {"a": "survivor", "b": "loser", "c": "loser"}
    assert values["b"].changed_at == values["c"].changed_at == "2026-01-01T00:00:00.000Z"
    assert [(m.interest_id, m.since) for m in survivor.memberships if m.until is None] == [(7, LATE), (8, EARLY)]
    assert all(row.until == LATE for row in loser.memberships)
    assert (survivor.left, survivor.opted_out_at, survivor.opt_out_origin) == ({9}, EARLY, "link")
    assert loser.merged_into == 1 and picture.living_at("lee@example.org") == [survivor]


@pytest.mark.parametrize(("own", "others", "origin"), [
    ("api", "complaint", "complaint"), ("complaint", "api", "complaint"), ("form", "api", "form"),
    (None, "api", "api")])
def test_a_complaint_survives_a_merge(own, others, origin):
    """ID-51: else an integration could resubscribe whoever complained, by merging them first."""
    survivor, loser = Person(1, "lee@example.org", False, AMS, AMS), someone(2, "lee@example.org")
    survivor.opted_out_at, survivor.opt_out_origin = EARLY if own else None, own
    loser.opted_out_at, loser.opt_out_origin = LATE, others
    picture = Directory(AMS, lambda: 0)
    picture.add(survivor)
    picture.add(loser)
    absorb(picture, survivor, loser, "17", LATE)
    assert (survivor.opted_out_at, survivor.opt_out_origin) == (EARLY if own else LATE, origin)
