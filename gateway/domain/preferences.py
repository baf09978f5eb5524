"""What may a recipient see and change on the preference form, and which of what was posted is a change? (ID-56)"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.domain.dates import day_of
from gateway.domain.fields import HTML, JSON, fold
from gateway.domain.records import CLEAR, Problem
from gateway.domain.values import Catalogue, Field, read_values

SHOWN, EDITABLE = "shown", "editable"
ON_FORM = (SHOWN, EDITABLE)
"""How a field may stand on the form; one that is neither is not there."""

NEVER_ON_FORM = (HTML, JSON)
"""Kinds that nobody can read or write in a form."""

MAX_INTERESTS = 200
"""Interests on one form, by name: nobody reads more, and a form that is posted must stay short."""

_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[_\s]+")
_TRUE, _FALSE = ("true", "1", "yes", "y", "t", "on"), ("false", "0", "no", "n", "f", "off")
_DAY_FIRST = re.compile(r"\d{4}-\d\d-\d\d(?=[ T])")


@dataclass(frozen=True, slots=True)
class FormField:
    """A field as one person's form shows it. ``value`` is in the form in which inputs take it.

    ``problem``: what is wrong with what was typed, in plain words.
    """

    field_id: int
    name: str
    kind: str
    max_length: int
    editable: bool
    value: str = ""
    original: str = ""
    problem: str | None = None

    @property
    def label(self) -> str:
        """The name as people read it."""
        return label(self.name)


@dataclass(frozen=True, slots=True)
class FormInterest:
    """A public interest; ``is_in``: whether the person is in it now, ``was_in``: what the form had said."""

    interest_id: int
    name: str
    description: str | None
    is_in: bool
    was_in: bool


@dataclass(frozen=True, slots=True)
class Posted:
    """A form that was sent. ``values`` and ``originals``: field id -> text; an input that was not there is absent.

    ``listed``: interest id -> whether it was ticked when the form was made; ``ticked``: what is ticked now. ``form``:
    a text that tells this form from others, which a second sending repeats.
    """

    form: str = ""
    values: Mapping[int, str] = field(default_factory=dict)
    originals: Mapping[int, str] = field(default_factory=dict)
    listed: Mapping[int, bool] = field(default_factory=dict)
    ticked: frozenset[int] = frozenset()


def label(name: str) -> str:
    """A field's name as people read it: ``MemberExpiresOn`` is "Member expires on"."""
    words = [word for word in _WORD.split(name) if word]
    plain = [word if word.isupper() and len(word) > 1 else word.lower() for word in words]
    text = " ".join(plain)
    return text[:1].upper() + text[1:]


def shown(kind: str, text: str) -> str:
    """A value as its input takes it: days as yyyy-MM-dd, booleans as true or false, line ends as LF.

    What a foreign system writes otherwise stays as it is where it cannot be read.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    plain = text.strip()
    if kind == "boolean":
        lower = plain.lower()
        return "true" if lower in _TRUE else "false" if lower in _FALSE else plain
    if kind == "date":
        try:
            cut = _DAY_FIRST.match(plain)
            return day_of(cut[0] if cut else plain)
        except ValueError:
            return plain
    return text


def changed_fields(fields: Sequence[FormField], posted: Posted) -> tuple[dict[str, str | None], dict[int, str]]:
    """(field name -> new value, None to clear; field id -> what is wrong with it, in plain words).

    Only editable fields whose input differs from what the form had shown count, so what changed elsewhere meanwhile
    stays as it is, and what nobody touched writes nothing.
    """
    given: dict[str, str | None] = {}
    problems: dict[int, str] = {}
    for each in fields:
        text = posted.values.get(each.field_id)
        if not each.editable or text is None:
            continue
        text = shown(each.kind, text).strip()
        if text == shown(each.kind, posted.originals.get(each.field_id, "")).strip():
            continue
        known = Field(each.name, each.kind, each.max_length)
        read = read_values({each.name: text}, Catalogue({fold(each.name): known}), CLEAR)
        if isinstance(read, Problem):
            problems[each.field_id] = _said(each, read)
        else:
            given[each.name] = read.given[each.name]
    return given, problems


def changed_interests(interests: Sequence[FormInterest], posted: Posted) -> tuple[list[FormInterest],
                                                                                list[FormInterest]]:
    """(to join, to leave): those whose tick the person has changed and that are not so already."""
    changed = [each for each in interests if each.interest_id in posted.listed
               and posted.listed[each.interest_id] != (each.interest_id in posted.ticked)]
    return ([each for each in changed if each.interest_id in posted.ticked and not each.is_in],
            [each for each in changed if each.interest_id not in posted.ticked and each.is_in])


def _said(each: FormField, problem: Problem) -> str:
    if problem.code == "FIELD_TOO_LONG":
        return f"Please write at most {each.max_length} characters."
    if problem.code == "INVALID_DATE":
        return "Please give a day that exists, written as year-month-day, such as 2026-03-31."
    if each.kind == "boolean":
        return "Please choose yes or no."
    return "There is a character in it that cannot be stored. Please type it again."
