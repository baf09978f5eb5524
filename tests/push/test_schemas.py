"""Do the declarations say what is really taken? Whatever is valid by a schema is read without complaint (PUSH-105)."""

import json

import hypothesis
import jsonschema_rs
import pytest
from hypothesis import strategies as st

from gateway.domain.mapping import entry_of, record_of
from gateway.errors import GatewayError
from gateway.push.schemas import mailings, people
from gateway.push.schemas.interests import INTEREST_CHANGES, INTEREST_DRAFT, MEMBER_CHANGES
from gateway.push.schemas.kinds import Flag, Id, Instant, Number, Text, Texts, Thing, Word, things

SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.just(0.5),  # 1.0 is an integer to JSON Schema
                    st.sampled_from(["", "true", "False", "1", "0", "yes", "12", "2026-01-31T09:30:00Z", "Add",
                                     "2026-01-31T09:30:00.1234567+01:00", "2026-01-31", "a@example.org", "K-1"]))
VALUES = st.recursive(SCALARS, lambda inner: st.one_of(
    st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["add", "remove", "City"]), inner, max_size=3)),
    max_leaves=6)
SETTINGS = hypothesis.settings(max_examples=150, derandomize=True, database=None, deadline=None,
                               suppress_health_check=list(hypothesis.HealthCheck))


def validator(kind):
    """A validator of what may be asked."""
    schemas = {thing.name: thing.definition(True) for thing in things(kind)}
    return jsonschema_rs.Draft202012Validator({**kind.schema(True), "components": {"schemas": schemas}})


def objects_of(thing):
    return st.dictionaries(st.sampled_from(list(thing.members)), VALUES, max_size=len(thing.members))


@pytest.mark.parametrize(("thing", "read"), [(people.RECORD, record_of), (people.ENTRY, entry_of)])
def test_records_are_read_as_they_are_declared(thing, read):
    """PUSH-9, PUSH-49: a record that is valid has no problem of reading; each declared member is one that is known."""
    valid = validator(thing)

    @SETTINGS
    @hypothesis.given(objects_of(thing))
    def check(value):
        if valid.is_valid(json.loads(json.dumps(value))):
            problem = read(value).problem
            assert problem is None or problem.message.startswith("There is no subscriber"), (value, problem)

    check()
    assert not getattr(read(dict.fromkeys(thing.members)), "warnings", ())


@pytest.mark.parametrize("thing", [
    INTEREST_DRAFT, INTEREST_CHANGES, MEMBER_CHANGES, mailings.MAILING_DRAFT, mailings.MAILING_CHANGES, mailings.PERSON,
    mailings.TEST_REQUEST, mailings.SCHEDULE, mailings.SEND, mailings.WHICH], ids=lambda thing: thing.name)
def test_commands_are_read_as_they_are_declared(thing):
    """PUSH-105: what is valid is read; what is refused is not valid."""
    valid = validator(thing)

    @SETTINGS
    @hypothesis.given(objects_of(thing))
    def check(value):
        is_valid = valid.is_valid(json.loads(json.dumps(value)))
        try:
            thing.read("", value)
        except GatewayError as refused:
            assert not is_valid, (value, str(refused))

    check()


@pytest.mark.parametrize(("kind", "good", "bad"), [
    (Text(), ["a", "", 12, -1], [1.5, [], {}]),
    (Flag(), [True, "true", "False", 1, "0", ""], ["yes", 2, []]),
    (Number(), [0, 12], [-1, 1.5, "x"]),
    (Instant(), ["2026-01-31T09:30:00Z", "2026-01-31T09:30:00.1234567-05:00"],
     ["2026-01-31", "2026-02-30T00:00:00Z", "2026-01-31T09:30:00", "2026-01-31T09:30:00+0500", 5]),
    (Id(), ["1", "900", 7], ["0", "x", "-1", "1" * 19]),
    (Id(prefix="j-"), ["j-1"], ["1", "j-0"]),
    (Word(("a", "b")), ["a"], ["c", "A"]),
    (Texts(), [[], ["a", 1]], ["a", [None], [[]]])])
def test_kinds(kind, good, bad):
    """PUSH-7, PUSH-9: what each kind takes and refuses; its schema agrees."""
    valid = validator(kind)
    for value in good:
        assert valid.is_valid(value), value
        kind.read("it", value)
    for value in bad:
        with pytest.raises(GatewayError) as refused:
            kind.read("it", value)
        assert refused.value.field == "it" or refused.value.code == "NOT_FOUND"
        if value != "2026-02-30T00:00:00Z":  # no pattern knows the calendar
            assert not valid.is_valid(value), value


def test_other_names_and_strangers():
    """A list in SOAP's singular is taken; both at once, or a name that nobody knows, is refused with the known ones."""
    thing = Thing("T", {"name": Text()}, {"interests": Texts()}, also={"interest": "interests"})
    assert thing.read("", {"name": 1, "interest": ["a"]}) == {"name": "1", "interests": ("a",)}
    for value, field in [({"name": "n", "interest": [], "interests": []}, "interest"), ({"name": "n", "x": 1}, "x"),
                         ({"name": None}, "name"), ({}, "name"), ([], None)]:
        with pytest.raises(GatewayError) as refused:
            thing.read("", value)
        assert (refused.value.code, refused.value.field) == ("INVALID_REQUEST", field)
