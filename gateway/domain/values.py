"""Which field values does a record bring, and may each of them be stored? (PUSH-5..9, ID-41)"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gateway.domain.addresses import forbidden_character, holds_forbidden
from gateway.domain.dates import day_of
from gateway.domain.fields import JSON, fold
from gateway.domain.records import CLEAR, MAX_FIELDS_PER_RECORD, MAX_NAME, Problem

WARN, FAIL, CREATE = "warn", "fail", "create"
"""What the brand wants done with a field that it does not have (setting ``unknownField``)."""

MAX_FIELDS = 1_000
"""Of a brand: beyond it, data makes no more; else one careless sender fills every list of fields."""

_BOOLEANS = {"true": "true", "1": "true", "false": "false", "0": "false"}


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the brand's catalogue. ``kind``: text, date, boolean, html, json."""

    name: str
    kind: str
    max_length: int


@dataclass(slots=True)
class Catalogue:
    """The brand's fields by folded name; ``create`` stores a new text field and answers it, None when there is no room
    for another."""

    by_folded: dict[str, Field]
    unknown: str = WARN
    create: Callable[[str], Field | None] | None = None
    spelled: dict[str, Field] = field(default_factory=dict)

    def find(self, name: str) -> Field | None:
        """The field that this spelling of a name means; remembered in ``spelled``, for a batch repeats its names."""
        found = self.by_folded.get(fold(name))
        if found is not None:
            self.spelled[name] = found
        return found

    def add(self, name: str) -> Field | None:
        """Creates the field, if the brand may have one more; only where the brand's setting is ``create``."""
        assert self.create is not None
        made = self.create(name)
        if made is not None:
            self.by_folded[fold(name)] = made
        return made


@dataclass(frozen=True, slots=True)
class Values:
    """What the record says of its fields: name -> text, None to clear. ``unknown`` are to be created or warned of.

    ``doubled``: fields that came in two spellings of their name; the last one counts.
    """

    given: dict[str, str | None]
    unknown: tuple[str, ...] = ()
    doubled: tuple[str, ...] = ()


def read_values(values: Mapping[str, str | None], catalogue: Catalogue, empty_value: str) -> Values | Problem:
    """The values in the form that is stored, or why the record fails. Creates nothing."""
    if len(values) > MAX_FIELDS_PER_RECORD:
        return Problem("FIELD_TOO_LONG", f"A record has at most {MAX_FIELDS_PER_RECORD} fields. Send fewer.", None)
    given: dict[str, str | None] = {}
    unknown: list[str] = []
    doubled: list[str] = []
    suspect = holds_forbidden("".join([text for text in values.values() if text]))
    for name, text in values.items():
        known = catalogue.spelled.get(name) or catalogue.find(name)
        if known is None:
            problem = _check_unknown(name, text, catalogue.unknown)
            if problem is not None:
                return problem
            unknown.append(name)
            continue
        if text is not None:
            if suspect and holds_forbidden(text):
                return forbidden_character(known.name)
            if text and (known.kind != "text" or len(text) > known.max_length or "\r" in text):
                read = _convert(known, text)
                if isinstance(read, Problem):
                    return read
                text = read
        if text == "":
            if empty_value != CLEAR:
                continue
            text = None
        if known.name in given:
            doubled.append(known.name)
        given[known.name] = text
    return Values(given, tuple(unknown), tuple(doubled))


def _check_unknown(name: str, text: str | None, rule: str) -> Problem | None:
    if holds_forbidden(name):
        return forbidden_character("field")
    if rule == FAIL:
        return Problem("FIELD_UNKNOWN", "There is no such field. Correct its name, or add the field first.",
                       name[:MAX_NAME])
    if rule == CREATE and text:
        if not 1 <= len(fold(name)) <= MAX_NAME or len(name) > MAX_NAME:  # folding may lengthen it
            return Problem("FIELD_TOO_LONG", f"The name of a field has 1 to {MAX_NAME} characters.", name[:MAX_NAME])
        read = _convert(Field(name, "text", 4000), text)
        return read if isinstance(read, Problem) else None
    return None


def _convert(known: Field, text: str) -> str | Problem:
    if holds_forbidden(text):
        return forbidden_character(known.name)
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")  # line ends are LF in every answer (SOAP-32)
    if len(text) > known.max_length:
        return Problem("FIELD_TOO_LONG", f"The value is longer than {known.max_length} characters. Shorten it.",
                       known.name)
    if known.kind == "date":
        return _day(known, text)
    if known.kind == "boolean":
        found = _BOOLEANS.get(text.strip().lower(), "" if not text.strip() else None)
        return Problem("INVALID_VALUE", "Expected true or false.", known.name) if found is None else found
    return _json(known, text) if known.kind == JSON else text


def _day(known: Field, text: str) -> str | Problem:
    """The calendar day as written; an instant is never moved by its offset (PUSH-8). Year 0001 is no value (PUSH-7)."""
    try:
        return day_of(text)
    except ValueError:
        return Problem("INVALID_DATE", "The day does not exist or is not written as yyyy-MM-dd.", known.name)


def _json(known: Field, text: str) -> str | Problem:
    """The JSON text as it came: whoever reads the field can rely on its being one."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return Problem("INVALID_VALUE", "The value of this field is a JSON text, such as [].", known.name)
    return text
