"""How does an import of a thousand records become dataclasses? By hand: five times cheaper than Spyne's objects.

The element has passed the schema by then, so names, order and the forms of booleans and enums are right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway.domain.fields import fold
from gateway.domain.mapping import ColumnPlan, plan_columns
from gateway.domain.records import ADD_OR_UPDATE, KEEP, ImportOptions, Problem, SubscriberRecord
from gateway.errors import GatewayError
from gateway.soap import faults
from gateway.soap.types.base import NAMESPACE
from gateway.spynekit.envelope import TRUE_WORDS, XSI_NIL


def qualified(name: str) -> str:
    """A name of the contract as lxml writes it."""
    return f"{{{NAMESPACE}}}{name}"


RECORD, ROW = qualified("record"), qualified("row")
REMOTE_ID, EMAIL, DO_NOT_EMAIL = qualified("remoteId"), qualified("email"), qualified("doNotEmail")
ADD_INTEREST = qualified("addInterest")


@dataclass(frozen=True, slots=True)
class ImportCall:
    """A decoded ImportSubscribers or ImportRows request."""

    clientRequestId: str | None  # the contract's word: every write is asked for this member
    options: ImportOptions
    records: list[SubscriberRecord]


@dataclass(frozen=True, slots=True)
class Given:
    """The members of a request but for its records: ``single`` ones by name, lists by name."""

    single: dict[str, str]
    many: dict[str, list[str]]

    def options(self) -> ImportOptions:
        """The options that every import has (SOAP-39)."""
        get = self.single.get
        return ImportOptions(
            mode=get("mode", ADD_OR_UPDATE), empty_value=get("emptyValue", KEEP),
            interests=tuple(self.many["interest"]), dry_run=is_true(get("dryRun", "false")),
            detail=get("detail", "All"), label=get("source", ""), integration=get("integration"))


def read_import(entry: Any) -> ImportCall:
    """The options and records of an ImportSubscribers element."""
    given, records = taken_apart(entry, RECORD)
    return ImportCall(given.single.get("clientRequestId"), given.options(), [read_record(each) for each in records])


def read_rows(entry: Any) -> ImportCall:
    """The options and records of an ImportRows element; a row of the wrong width is its record's problem (SOAP-40).

    Raises INVALID_REQUEST or LIMIT_EXCEEDED for columns that cannot be used (PUSH-61).
    """
    given, rows = taken_apart(entry, ROW)
    plan = columns(given.many["column"])
    return ImportCall(given.single.get("clientRequestId"), given.options(), [read_row(each, plan) for each in rows])


def taken_apart(entry: Any, data: str) -> tuple[Given, list[Any]]:
    """The options of an import's element and its children of the tag ``data``."""
    given = Given({}, {"interest": [], "column": []})
    records = []
    for child in entry:
        if child.tag == data:
            records.append(child)
            continue
        name = child.tag.rpartition("}")[2]
        if name in given.many:
            given.many[name].append(child.text or "")
        else:
            given.single[name] = child.text or ""
    return given, records


def columns(names: Sequence[str]) -> ColumnPlan:
    """What the columns are; a name that means nothing else is a field's, known or not. One without a name is left out.
    """
    try:
        return plan_columns(names, {fold(name): name.strip() for name in names if fold(name)})
    except GatewayError as error:
        raise faults.in_our_words(error) from None


def read_row(element: Any, plan: ColumnPlan) -> SubscriberRecord:
    """One row as a record. Nil clears a field, and names nobody in any other column."""
    cells = [cell.text or _nothing(cell) for cell in element]
    if len(cells) != plan.width:
        return SubscriberRecord(problem=Problem(
            "INVALID_VALUE", f"The row has {len(cells)} values where {plan.width} columns are named.", "v"))
    if plan.interests is not None and cells[plan.interests] is None:
        cells[plan.interests] = ""
    return plan.record(cells, None)


def read_record(element: Any) -> SubscriberRecord:
    """One record as it was sent. A field given twice is the record's own problem (SOAP-34)."""
    remote_id = email = do_not_email = problem = None
    values: dict[str, str | None] = {}
    add: list[str] = []
    remove: list[str] = []
    for child in element:
        if len(child):  # a field, which alone has elements in it: asking for a tag costs more
            key = child[0].text or ""
            if key in values:
                problem = Problem("INVALID_VALUE", "The field is given twice; send it once.", key)
            values[key] = child[1].text or _nothing(child[1])
            continue
        tag = child.tag
        if tag == EMAIL:
            email = child.text or ""
        elif tag == REMOTE_ID:
            remote_id = child.text or ""
        elif tag == DO_NOT_EMAIL:
            do_not_email = is_true(child.text)
        else:
            (add if tag == ADD_INTEREST else remove).append(child.text or "")
    return SubscriberRecord(remote_id, email, values, tuple(add), tuple(remove), do_not_email, problem)


def _nothing(value: Any) -> str | None:
    """What an element without text says: None if it is nil."""
    return None if is_true(value.get(XSI_NIL, "")) else ""


def is_true(text: str) -> bool:
    """An xs:boolean, outer blanks allowed (SOAP-30)."""
    return text.strip() in TRUE_WORDS
