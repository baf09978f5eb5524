"""What a sender's members and columns mean."""

import pytest

from gateway.domain.mapping import ValueProblem, boolean_of, entry_of, plan_columns, record_of, text_of
from gateway.errors import GatewayError


def test_whole_record():
    """PUSH-49: every member."""
    record = record_of({"remoteId": "17", "email": "a@b.org", "fields": {"City": "Bonn", "Title": None},
                        "interests": {"add": ["News"], "remove": ["Old"]}, "doNotEmail": "True"}, 4)
    assert (record.remote_id, record.email, record.values, record.add_interests, record.remove_interests,
            record.do_not_email, record.problem, record.warnings, record.line) == (
        "17", "a@b.org", {"City": "Bonn", "Title": None}, ("News",), ("Old",), True, None, (), 4)


@pytest.mark.parametrize(("value", "text"), [("x", "x"), ("", ""), (None, None), (17, "17"), (True, "true"),
                                             (False, "false"), (10**200, "1" + "0" * 200)])
def test_text_is_read_kindly(value, text):
    """PUSH-9: text also as an integer or boolean; digits are kept."""
    assert text_of(value) == text


@pytest.mark.parametrize("value", [1.5, 1.0, [], {}, ["x"]])
def test_text_refused(value):
    """PUSH-9: a fraction, an object or an array is not text."""
    with pytest.raises(ValueProblem):
        text_of(value)


@pytest.mark.parametrize(("value", "flag"), [
    (True, True), ("True", True), ("true", True), ("1", True), (1, True), (False, False), ("False", False),
    ("0", False), (0, False), ("", None), (None, None)])
def test_booleans(value, flag):
    """PUSH-9, PUSH-21: many words for true and false; silence says nothing."""
    assert boolean_of(value) is flag


@pytest.mark.parametrize("value", ["yes", 2, 1.0, [], {}, "-1"])
def test_booleans_refused(value):
    """PUSH-9: anything else is not guessed at."""
    with pytest.raises(ValueProblem):
        boolean_of(value)


@pytest.mark.parametrize(("value", "code", "field"), [
    ("x", "INVALID_VALUE", None), (None, "INVALID_VALUE", None), ([], "INVALID_VALUE", None),
    ({"remoteId": 1.5}, "INVALID_VALUE", "remoteId"), ({"remoteId": True}, "INVALID_VALUE", "remoteId"),
    ({"email": {}}, "INVALID_VALUE", "email"),
    ({"email": "a@b.org", "fields": []}, "INVALID_VALUE", "fields"),
    ({"email": "a@b.org", "fields": {"City": [1]}}, "INVALID_VALUE", "City"),
    ({"email": "a@b.org", "interests": ["News"]}, "INVALID_VALUE", "interests"),
    ({"email": "a@b.org", "interests": {"add": "News"}}, "INVALID_VALUE", "interests.add"),
    ({"email": "a@b.org", "interests": {"add": [None]}}, "INVALID_VALUE", "interests.add"),
    ({"email": "a@b.org", "doNotEmail": "perhaps"}, "INVALID_VALUE", "doNotEmail"),
    ({"remoteID": "1", "email": "a@b.org"}, "FIELD_UNKNOWN", "remoteID"),
    ({"Email": "a@b.org", "remoteId": "1"}, "FIELD_UNKNOWN", "Email")])
def test_problems_stand_at_their_record(value, code, field):
    """PUSH-9, PUSH-10: the record fails, with the member at fault."""
    problem = record_of(value).problem
    assert (problem.code, problem.field) == (code, field)


def test_unknown_member_is_a_warning():
    """PUSH-10, PUSH-103: said, not failed."""
    record = record_of({"email": "a@b.org", "TenantCode": "x", "interests": {"replace": []}})
    assert record.problem is None
    assert [(w.code, w.field) for w in record.warnings] == [("FIELD_UNKNOWN", "interests.replace"),
                                                           ("FIELD_UNKNOWN", "TenantCode")]


@pytest.mark.parametrize("name", ["contactId", "remote_id", "Remote ID", "id", "MemberID", "e-mail", "EmailAddress"])
def test_other_words_for_a_missing_identifier(name):
    """PUSH-10: to ignore them would change the identity mode; where the identifier itself stands they are a warning."""
    of_email = name[0] in "eE"
    given = {"remoteId" if of_email else "email": "x", name: "y"}
    assert (record_of(given).problem.code, record_of(given).problem.field) == ("FIELD_UNKNOWN", name)
    assert entry_of(given).problem.code == "FIELD_UNKNOWN"
    whole = record_of(given | {"email" if of_email else "remoteId": "z"})
    assert (whole.problem, [w.field for w in whole.warnings]) == (None, [name])


def test_names_of_interests_are_read_kindly():
    """PUSH-9: an integer is text here too."""
    assert record_of({"email": "a@b.org", "interests": {"add": [2026, "News"]}}).add_interests == ("2026", "News")


def test_answers_repeat_little_of_strange_members():
    """PUSH-6, PUSH-10: a million members that nobody knows, with broken or endless names, are not all sent back."""
    record = record_of({"email": "a@b.org", "a\ud800\0b": 1, "x" * 5000: 1, **{f"n{n}": n for n in range(5000)}})
    assert record.problem is None
    assert [w.field for w in record.warnings[:2]] == ["ab", "x" * 100]
    assert len(record.warnings) == 20


def test_empty_identifier_names_nobody():
    """PUSH-96: "" and null are habits of senders for "none"."""
    record = record_of({"remoteId": "", "email": None})
    assert (record.remote_id, record.email, record.problem) == (None, None, None)


def test_too_many_fields():
    """PUSH-5: 200 fields a record."""
    names = [f"f{n}" for n in range(201)]
    with pytest.raises(GatewayError) as refused:
        plan_columns(["email", *names], {name: name for name in names})
    assert refused.value.code == "LIMIT_EXCEEDED"


def test_reasons_of_a_rejects_file_say_nothing():
    """PUSH-33: a corrected file may come back with the reasons in it."""
    assert plan_columns(["Error Code", "errorField", "errorMessage", "email"], {}).unmapped == ()
    assert record_of({"errorCode": "INVALID_EMAIL", "email": "a@b.org"}).warnings == ()
