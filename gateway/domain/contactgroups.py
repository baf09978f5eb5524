"""Which groups and lists does the compatible face put people in? (PUSH-23, PUSH-24)"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from gateway.domain.addresses import holds_forbidden, printable
from gateway.domain.dates import day_of, instant_of
from gateway.domain.mapping import ValueProblem, identifier_of
from gateway.domain.members import Findings, Members, members_of
from gateway.domain.records import MAX_INTEREST, MAX_INTERESTS_PER_RECORD, Group, Problem

T = TypeVar("T")

GROUP_DETAILS = {"GroupType": "type", "GroupSubType": "subType", "Role": "role"}
GROUP_MEMBERS = ("GroupId", "GroupName", *GROUP_DETAILS, "InitialJoinDate", "BeginDate", "EndDate")
ADD, REMOVE, REPLACE = "Add", "Remove", "Replace"
MODES = (ADD, REMOVE, REPLACE)
LIST_MEMBERS = ("Mode", "ContactIds", "ListId", "ListName")
_MODES = {mode.lower(): mode for mode in MODES}
_NO_END_YEAR = 9999  # a .NET program's greatest date; in some time zones it lies beyond every calendar


@dataclass(frozen=True, slots=True)
class ListElement:
    """One List as read. ``list_id``: fit to be repeated in the answer; ``problem``: why it fails, or None.

    ``name``: how the list is shown, None when the element does not say.
    """

    list_id: str | None
    name: str | None
    mode: str
    remote_ids: tuple[str, ...]
    problem: Problem | None
    warnings: tuple[Problem, ...] = ()


def groups_of(top: Members, name: str) -> tuple[Group, ...]:
    """The groups of a person; the same GroupId twice: the last wins, with a warning (PUSH-23)."""
    found: dict[str, Group] = {}
    for entry in top.children(name, GROUP_MEMBERS, GROUP_MEMBERS):
        group = _group(entry)
        if group.external_id in found:
            entry.findings.warn("DUPLICATE_IN_BATCH", "The same GroupId twice in one person; the last one counts.",
                                entry.at("GroupId"))
            del found[group.external_id]
        found[group.external_id] = group
    if len(found) > MAX_INTERESTS_PER_RECORD:
        top.findings.fail("FIELD_TOO_LONG", f"A person has at most {MAX_INTERESTS_PER_RECORD} groups.", name)
    return tuple(found.values())


def _group(entry: Members) -> Group:
    external_id = _key(entry, "GroupId", required=True)
    shown = _key(entry, "GroupName") or external_id
    begins_at = _read(entry, "BeginDate", instant_of, "an instant such as 2026-01-31T09:30:00.000Z, with its offset")
    ends_at = _read(entry, "EndDate", _end_of, "an instant such as 2026-12-31T23:59:59.000Z, with its offset")
    if begins_at is not None and ends_at is not None and ends_at <= begins_at:
        entry.findings.warn("INVALID_VALUE", "The membership ends before it begins: it is never mailed.",
                            entry.at("EndDate"))
    detail = {ours: _short(entry, name) for name, ours in GROUP_DETAILS.items()}
    detail["joined"] = _read(entry, "InitialJoinDate", day_of, "a day such as 2026-01-31") or ""
    return Group(external_id, shown, begins_at, ends_at, {name: text for name, text in detail.items() if text})


def mode_of(text: str) -> str | None:
    """One of :data:`MODES`, written in any case; None for anything else."""
    return _MODES.get(text.strip().lower())


def list_of(value: Any) -> ListElement:
    """One List; whatever is wrong with it stands in its ``problem``. No mode is guessed: it could empty a list."""
    if not isinstance(value, dict):
        return ListElement(None, None, "", (), Problem("INVALID_VALUE", "An element is a JSON object."))
    findings = Findings()
    top = members_of(findings, "", value, LIST_MEMBERS, LIST_MEMBERS)
    list_id, name = _key(top, "ListId"), _key(top, "ListName")
    if not list_id and not name:
        findings.fail("INVALID_VALUE", "Say which list: ListId, and ListName as people read it.", "ListId")
    mode = mode_of(top.text("Mode"))
    if mode is None:
        findings.fail("INVALID_VALUE", f"Mode is one of {', '.join(MODES)}.", "Mode")
    remote_ids = _contact_ids(top)
    return ListElement(printable(list_id or name, MAX_INTEREST) or None, name or None, mode or "", remote_ids,
                       findings.problem, tuple(findings.warnings))


def _contact_ids(top: Members) -> tuple[str, ...]:
    if not isinstance(top.given.get("ContactIds"), list):
        top.findings.fail("INVALID_VALUE", "Expected an array of the people's ContactIds.", "ContactIds")
        return ()
    found: dict[str, None] = {}
    for at, value in enumerate(top.given["ContactIds"]):
        try:
            text = (identifier_of(value) or "").strip()
        except ValueProblem as problem:
            top.findings.fail("INVALID_VALUE", str(problem), f"ContactIds[{at}]")
            break
        if not text:
            top.findings.fail("INVALID_VALUE", "An empty ContactId. Leave it out.", f"ContactIds[{at}]")
            break
        if holds_forbidden(text):
            top.findings.fail("INVALID_CHARACTER", "The ContactId holds a character that cannot be stored.",
                              f"ContactIds[{at}]")
            break
        found[text] = None
    return tuple(found)


def _key(entry: Members, name: str, *, required: bool = False) -> str:
    text = entry.key(name)
    if required and not text:
        entry.findings.fail("INVALID_VALUE", f"Every group needs a {name}: it is how the next push finds it.",
                            entry.at(name))
    return _checked(entry, name, text, MAX_INTEREST)


def _short(entry: Members, name: str) -> str:
    return _checked(entry, name, entry.text(name).strip(), MAX_INTEREST)


def _checked(entry: Members, name: str, text: str, limit: int) -> str:
    if holds_forbidden(text):
        entry.findings.fail("INVALID_CHARACTER", "The text holds a control character or a broken one. Remove it.",
                            entry.at(name))
    elif len(text) > limit:
        entry.findings.fail("FIELD_TOO_LONG", f"The text is longer than {limit} characters. Shorten it.",
                            entry.at(name))
    return text


def _end_of(text: str) -> dt.datetime | None:
    return None if text.startswith(f"{_NO_END_YEAR}-12-31T") else instant_of(text)


def _read(entry: Members, name: str, convert: Callable[[str], T], expected: str) -> T | None:
    try:
        return convert(entry.text(name).strip())
    except ValueError:
        entry.findings.fail("INVALID_DATE", f"Expected {expected}.", entry.at(name))
        return None
