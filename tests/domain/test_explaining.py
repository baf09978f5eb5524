"""Why does a value count, how is a membership, and how does an answer read? (ID-36..39, ID-79)"""

import datetime as dt

import pytest

from gateway.clock import UTC, instant
from gateway.domain import delivery, explaining
from gateway.domain.explained import facts, lines
from gateway.domain.explanation import AddressAnswer, Change, Explanation, LinkFact
from gateway.domain.people import Document
from gateway.domain.records import Identifier

NOW = dt.datetime(2026, 1, 15, 12, tzinfo=UTC)
EARLIER = NOW - dt.timedelta(days=1)
LABELS = {1: "integration:crm", 2: "upload:a", 3: "upload:b"}


def rank(source_id):
    return (0, 1) if source_id == 1 else (2, 0)


def document(text, at=NOW, changed="{}"):
    return Document(text, changed, at)


def test_priority_then_the_newest_then_what_is_on_its_way():
    """ID-36: an open writeback, else the first source of the list, else the newest; one alone needs no reason."""
    documents = {1: document('{"A":"crm"}'), 2: document('{"A":"a","B":"old","C":"c"}', EARLIER),
                 3: document('{"B":"new"}')}
    a, b, c = explaining.field_answers(documents, rank, LABELS)
    assert (a.value, a.why, b.value, b.why, c.value, c.why) == ("crm", "priority", "new", "newest", "c", "onlySource")
    assert [(v.source, v.effective) for v in b.values] == [("upload:b", True), ("upload:a", False)]
    assert b.values[1].changed_at == EARLIER
    waiting, *_ = explaining.field_answers(documents, rank, LABELS, {"A": "here"})
    assert (waiting.value, waiting.why) == ("here", "writeback") and not any(v.effective for v in waiting.values)
    assert explaining.field_answers({}, rank, LABELS) == ()


@pytest.mark.parametrize("state,times", [
    ("open", {}), ("open", {"begins_at": NOW, "ends_at": NOW + dt.timedelta(seconds=1)}),
    ("resting", {"begins_at": NOW + dt.timedelta(seconds=1)}), ("resting", {"ends_at": NOW}),
    ("left", {"has_left": True, "ends_at": EARLIER}), ("ended", {"until": EARLIER, "has_left": True})])
def test_the_state_of_a_membership(state, times):
    """ID-38, ID-39, PUSH-23: ended, left, resting, open: the first that holds."""
    given = {"until": None, "begins_at": None, "ends_at": None, "has_left": False, **times}
    assert explaining.membership_state(NOW, **given) == state


@pytest.mark.parametrize("mode,facts_", [
    ("oneToMany", {"is_main": True, "one_to_many": True}), ("emailOnly", {"is_main": True, "keyless": True}),
    ("imisLegacy", {"legacy": True}), ("emailAndRemoteId", {})])
def test_the_mode_of_a_record(mode, facts_):
    """ID-1..4."""
    given = {"is_main": False, "one_to_many": False, "keyless": False, "legacy": False, **facts_}
    assert explaining.mode_of(**given)[0] == mode


def test_every_state_and_reason_of_a_delivery_has_words():
    """SEND-8, SEND-10."""
    for state in delivery.STATES:
        if state != delivery.LEFT_OUT:
            assert "Its delivery is" not in explaining.delivery_answer(state, None)[1]
    for reason in delivery.REASONS:
        assert reason in explaining.REASONS and explaining.delivery_answer(delivery.LEFT_OUT, reason)[0] is False


def test_what_is_known_of_an_address():
    def said(**known):
        values = {"email": "a@example.org", "records": 0, "opted_out_at": None, "opt_out_origin": None,
                  "opt_out_reason": None, "bounced_at": None, "bounce_code": None, "erased": False, "sentence": ""}
        return explaining.address_sentence(AddressAnswer(**{**values, **known}))

    assert said() == "Nothing is known against the address; no record has it."
    assert said(records=2, opted_out_at=NOW, opt_out_origin="link", bounced_at=NOW, bounce_code="5.1.1") == (
        "The address is opted out (link) since 2026-01-15 12:00 UTC and bad since 2026-01-15 12:00 UTC (5.1.1); "
        "2 records have it.")
    assert "erased" in said(erased=True, records=1)


def test_facts_are_absent_rather_than_null():
    """PUSH-48: camelCase, ids as texts, instants in one form."""
    link = LinkFact("crm", "iMIS ID", "17", NOW, None, False, None)
    assert facts(link, instant) == {"integration": "crm", "label": "iMIS ID", "remoteId": "17",
                                    "since": "2026-01-15T12:00:00.000Z", "doNotEmail": False}
    answer = Explanation(Identifier(7), NOW, (), None, None, (), False, "Nobody.")
    assert facts(answer, instant)["asked"] == {"subscriberId": "7"}
    assert list(lines(answer)) == ["Nobody."]


def test_differences():
    before, after = {"email": "a", "orphan": "false", "interest X": "member"}, {"email": "b", "orphan": "false"}
    assert explaining.difference(before, after) == (Change("email", "a", "b"), Change("interest X", "member", None))
