"""Which column or member of a sender's record is what? (PUSH-9, PUSH-10, PUSH-49, PUSH-61)"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.domain.addresses import holds_forbidden, printable
from gateway.domain.fields import fold
from gateway.domain.records import MAX_FIELDS_PER_RECORD, MAX_NAME, Identifier, Problem, StatusEntry, SubscriberRecord
from gateway.errors import GatewayError

EMAIL, REMOTE_ID, INTERESTS, DO_NOT_EMAIL = "email", "remoteId", "interests", "doNotEmail"
_SYNONYMS = {
    "email": EMAIL, "emailaddress": EMAIL,
    "remoteid": REMOTE_ID, "id": REMOTE_ID, "contactid": REMOTE_ID, "memberid": REMOTE_ID, "imisid": REMOTE_ID,
    "interests": INTERESTS, "donotemail": DO_NOT_EMAIL,
}
REASONS = ("errorCode", "errorField", "errorMessage")
"""What the file of rejected rows adds to each of them: a corrected file may keep them, they say nothing (PUSH-33)."""

_FOLDED_REASONS = frozenset(fold(name) for name in REASONS)
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}
_MEMBERS = ("remoteId", "email", "fields", "interests", "doNotEmail")
_MAX_STRANGERS = 20
MAX_COLUMNS = 1000


class ValueProblem(ValueError):
    """A value of a type or form that its place does not take; the message says what was expected."""


def text_of(value: Any) -> str | None:
    """A text as senders write it: text, an integer or a boolean; None stays None (PUSH-9).

    Raises :class:`ValueProblem` for a fraction, an object or an array.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    raise ValueProblem("Expected text; a fraction, an object or an array is not taken here.")


def identifier_of(value: Any) -> str | None:
    """A text that says who or which is meant: like :func:`text_of`, but a boolean, which many would share, is none."""
    if isinstance(value, bool):
        raise ValueProblem("Expected text or an integer.")
    return text_of(value)


def texts_of(value: Any) -> tuple[str, ...]:
    """An array of texts, each as in :func:`text_of`; raises :class:`ValueProblem`, also for a null in it."""
    if not isinstance(value, list) or None in value:
        raise ValueProblem("Expected an array of texts.")
    return tuple(text_of(item) or "" for item in value)


def boolean_of(value: Any) -> bool | None:
    """A boolean as senders write it: true, "True", "1", 1 and so on; None and ``""`` say nothing (PUSH-9, PUSH-21).

    Raises :class:`ValueProblem` for anything else.
    """
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return value
    found = _BOOLEANS.get(str(value).strip().lower()) if isinstance(value, (str, int)) else None
    if found is None:
        raise ValueProblem("Expected true or false.")
    return found


def record_of(value: Any, line: int | None = None) -> SubscriberRecord:
    """The record of one JSON object of PUSH-49; whatever is wrong with it stands in its ``problem``.

    An unknown member is a warning; one that can only mean an identifier fails the record, for ignoring it
    would change the identity mode (PUSH-10). ``""`` and null name nobody.
    """
    if not isinstance(value, dict):
        return SubscriberRecord(problem=Problem("INVALID_VALUE", "A record is a JSON object."), line=line)
    problems: list[Problem] = []
    remote_id = _read(problems, REMOTE_ID, identifier_of, value.get(REMOTE_ID))
    email = _read(problems, EMAIL, identifier_of, value.get(EMAIL))
    flag = _read(problems, DO_NOT_EMAIL, boolean_of, value.get(DO_NOT_EMAIL))
    values = _values(problems, value.get("fields"))
    add, remove, strangers = _interests(problems, value.get("interests"))
    strangers += [name for name in value if name not in _MEMBERS and name not in REASONS]
    problems += _near_misses(value)
    warnings = tuple(Problem("FIELD_UNKNOWN", "No such member; it was ignored.", printable(name, MAX_NAME))
                     for name in strangers[:_MAX_STRANGERS])
    return SubscriberRecord(remote_id or None, email or None, values, add, remove, flag,
                            problems[0] if problems else None, warnings, line)


def entry_of(value: Any) -> StatusEntry:
    """One line of an unsubscribe or resubscribe call (PUSH-35); what is wrong with it is its own problem.

    Unknown members are ignored, for a wish to get no more mail must not fail over them; but not the near
    miss of an identifier, nor ``interests``, which would stop less than all mail.
    """
    if not isinstance(value, dict):
        return StatusEntry(Identifier(), problem=Problem("INVALID_VALUE", "An entry is a JSON object."))
    problems: list[Problem] = []
    remote_id = _read(problems, REMOTE_ID, identifier_of, value.get(REMOTE_ID))
    email = _read(problems, EMAIL, identifier_of, value.get(EMAIL))
    reason = _read(problems, "reason", text_of, value.get("reason"))
    subscriber_id = _read(problems, "subscriberId", _number_of, value.get("subscriberId"))
    problems += _near_misses(value)
    if value.get("interests"):
        problems.append(Problem("INVALID_VALUE", "This call stops or starts all mail; it takes no interests.",
                                "interests"))
    return StatusEntry(Identifier(subscriber_id, remote_id or None, email or None), reason or None,
                       problems[0] if problems else None)


def _number_of(value: Any) -> int | None:
    text = identifier_of(value)
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise ValueProblem("There is no subscriber of this id.")
    return int(text)


def _near_misses(value: dict[str, Any]) -> list[Problem]:
    """The members that can only mean an identifier which the record spells otherwise or does not have (PUSH-10).

    Another case always; other words for it, as columns of a file may use them, where the identifier is missing.
    """
    found: list[Problem] = []
    for name in value:
        meant = None if name in _MEMBERS else _SYNONYMS.get(fold(name))
        if meant in (EMAIL, REMOTE_ID) and (name.lower() == meant.lower() or meant not in value):
            found.append(Problem("FIELD_UNKNOWN", f"The member is written {meant}, in exactly this case.",
                                 printable(name, MAX_NAME)))
    return found


def _read(problems: list[Problem], name: str, convert: Any, value: Any) -> Any:
    try:
        return convert(value)
    except ValueProblem as problem:
        problems.append(Problem("INVALID_VALUE", str(problem), name))
        return None


def _values(problems: list[Problem], value: Any) -> dict[str, str | None]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        problems.append(Problem("INVALID_VALUE", "Expected an object of field names and values.", "fields"))
        return {}
    return {name: _read(problems, printable(name, MAX_NAME), text_of, item) for name, item in value.items()}


def _interests(problems: list[Problem], value: Any) -> tuple[tuple[str, ...], tuple[str, ...], list[str]]:
    if value is None:
        return (), (), []
    if not isinstance(value, dict):
        problems.append(Problem("INVALID_VALUE", 'Expected {"add": [...], "remove": [...]}.', "interests"))
        return (), (), []
    strangers = [f"interests.{name}" for name in value if name not in ("add", "remove")]
    return (_names(problems, "interests.add", value.get("add")),
            _names(problems, "interests.remove", value.get("remove")), strangers)


def _names(problems: list[Problem], name: str, value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    try:
        return texts_of(value)
    except ValueProblem:
        problems.append(Problem("INVALID_VALUE", "Expected an array of interest names.", name))
        return ()


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """Where each column of a table goes. ``unmapped`` are the columns that go nowhere, named once to the sender.

    ``separator`` is between the interests of a cell, which the person ``leaves``, or joins. ``needs_email``: a remote
    ID alone is no record.
    """

    width: int
    remote_id: int | None
    email: int | None
    interests: int | None
    do_not_email: int | None
    fields: tuple[tuple[int, str], ...]
    unmapped: tuple[str, ...]
    separator: str = "|"
    leaves: bool = False
    needs_email: bool = False

    def record(self, cells: Sequence[str], line: int | None) -> SubscriberRecord:
        """The record of a row of ``width`` cells; an empty cell is ``""`` (ID-41), which names nobody."""
        problem = flag = None
        names: tuple[str, ...] = ()
        if self.do_not_email is not None:
            try:
                flag = boolean_of(cells[self.do_not_email])
            except ValueProblem as wrong:
                problem = Problem("INVALID_VALUE", str(wrong), DO_NOT_EMAIL)
        if self.interests is not None:
            names = tuple(name for name in map(str.strip, cells[self.interests].split(self.separator)) if name)
        remote_id = None if self.remote_id is None else cells[self.remote_id] or None
        email = None if self.email is None else cells[self.email] or None
        if self.needs_email and remote_id and not email:
            problem = Problem("EMAIL_MISSING", "The row has no e-mail address.", EMAIL)
        add, leave = ((), names) if self.leaves else (names, ())
        return SubscriberRecord(remote_id, email, {name: cells[at] for at, name in self.fields}, add, leave, flag,
                                problem, (), line)


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """A saved mapping: column of the file -> what it is, or what each column is in its order (PUSH-61).

    What a column is: email, remoteId, interests, doNotEmail, a field's name, or "" for one that is left out.
    """

    name: str
    columns: Mapping[str, str] | tuple[str, ...]
    created_at: dt.datetime


def checked_columns(columns: Any) -> dict[str, str] | list[str]:
    """The columns of a mapping as they are stored. Raises ``INVALID_VALUE``, ``INVALID_CHARACTER``, ``LIMIT_EXCEEDED``
    or ``INVALID_REQUEST`` when one can never be used.
    """
    by_name = isinstance(columns, Mapping)
    if not by_name and (isinstance(columns, str) or not isinstance(columns, Sequence)) or not columns:
        raise GatewayError("INVALID_VALUE", 'Expected {"column of the file": "email", ...}, or an array with what each '
                                            "column is.", field="columns")
    if len(columns) > MAX_COLUMNS:
        raise GatewayError("LIMIT_EXCEEDED", f"A file has at most {MAX_COLUMNS} columns.", field="columns")
    texts = [*columns, *columns.values()] if by_name else list(columns)
    for text in texts:
        if not isinstance(text, str) or len(text) > MAX_NAME:
            raise GatewayError("INVALID_VALUE", f"A column is a text of at most {MAX_NAME} characters.",
                               field="columns")
        if holds_forbidden(text):
            raise GatewayError("INVALID_CHARACTER", "The text holds a character that cannot be stored.",
                               field="columns")
    if not by_name:
        plan_columns(texts, {})
        return texts
    if len({fold(name) for name in columns}) < len(columns):
        raise _refused("Two of the columns have the same name but for case, blanks, hyphens and underscores.")
    targets = [fold(target) for target in columns.values() if fold(target)]
    targets = [_SYNONYMS.get(target, target) for target in targets]
    if len(set(targets)) < len(targets):
        raise _refused("Two of the columns mean the same. Give one of them an empty text.")
    return dict(columns)


def plan_columns(names: Sequence[str], known_fields: Mapping[str, str],
                 mapping: Mapping[str, str] | None = None) -> ColumnPlan:
    """What the columns ``names`` mean (PUSH-61). ``known_fields``: folded name -> name of the brand's fields.

    A saved ``mapping`` says what a column of the file is; one that it does not name goes by its own name. A column
    without a name is left out on purpose. Raises ``INVALID_REQUEST`` when neither identifier is
    there or two columns mean the same, ``LIMIT_EXCEEDED`` for more than 200 fields.
    """
    places: dict[str, int] = {}
    fields: list[tuple[int, str]] = []
    unmapped: list[str] = []
    mapped = {fold(name): target for name, target in (mapping or {}).items()}
    for at, name in enumerate(names):
        folded = fold(name)
        folded = fold(mapped.get(folded, "" if folded in _FOLDED_REASONS else folded))
        target = _SYNONYMS.get(folded) or known_fields.get(folded)
        if target is None:
            if folded:
                unmapped.append(name.strip())
            continue
        if target in places:
            raise _refused(f"The columns '{names[places[target]].strip()}' and '{name.strip()}' both mean {target}. "
                           "Take one out, or name the columns with columns=.")
        places[target] = at
        if folded not in _SYNONYMS:
            fields.append((at, target))
    if EMAIL not in places and REMOTE_ID not in places:
        raise _refused("No column is the e-mail address or the remote ID. Name one of them 'email' or 'remoteId', "
                       "or name the columns with columns=.")
    if len(fields) > MAX_FIELDS_PER_RECORD:
        raise GatewayError("LIMIT_EXCEEDED", f"A record has at most {MAX_FIELDS_PER_RECORD} fields.", field="columns")
    return ColumnPlan(len(names), places.get(REMOTE_ID), places.get(EMAIL), places.get(INTERESTS),
                      places.get(DO_NOT_EMAIL), tuple(fields), tuple(unmapped))


def _refused(message: str) -> GatewayError:
    return GatewayError("INVALID_REQUEST", message, field="columns")
