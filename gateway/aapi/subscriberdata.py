"""How do FieldDefinitions and Subscribers of a document become people? (aapi.md sections 5.1, 5.6 and 6)

Whoever holds a ``SubscriberData`` element reads it with :func:`read_data` and stores it with :func:`load`, which is an
import like every other door's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from gateway.aapi.faults import CONFLICTING_INFORMATION, INSUFFICIENT_DATA, INSUFFICIENT_INFORMATION, AapiError
from gateway.aapi.nodes import Node, child, children, content, named, only_child, required, required_child, text
from gateway.domain.fields import FieldDefinition
from gateway.domain.records import MAX_SYNC_RECORDS, REPLACE_ALL, ImportOptions, Outcome, Problem, SubscriberRecord
from gateway.services import catalogue, imports
from gateway.services.gateway import Unit

MAX_ADDRESS = 100
"""Characters of an address of this door; what is longer is malformed."""

DEMOGRAPHIC = "Demographic"
"""The FieldType of a demographic, and the category of a field that is made for one."""

_KINDS = {"date": "date", "datetime": "date", "boolean": "boolean", "bool": "boolean", "bit": "boolean"}
_TOO_LONG = Problem("INVALID_EMAIL", f"An address has at most {MAX_ADDRESS} characters.", "email")


@dataclass(frozen=True, slots=True)
class SubscriberData:
    """What the element says: fields, and people in the order sent."""

    definitions: tuple[FieldDefinition, ...]
    records: tuple[SubscriberRecord, ...]


@dataclass(frozen=True, slots=True)
class Loaded:
    """What became of the people. ``refused``: the outcomes of those who are not stored, with addresses as sent."""

    created: int
    known: int
    suppressed: int
    refused: tuple[Outcome, ...]

    @property
    def stored(self) -> int:
        """How many records were taken in."""
        return self.created + self.known


def read_data(node: Node) -> SubscriberData:
    """The content of a ``SubscriberData`` element.

    Raises ``InsufficientDataToCreateSubscriberException`` for a subscriber without Email, and
    ``InsufficientInformationToCompleteActionException`` for another node that is missing.
    """
    definitions = [read_definition(each) for each in definitions_of(node)]
    records = tuple(_record(each) for each in children(required_child(node, "Subscribers"), "Subscriber"))
    if not records:
        raise AapiError(INSUFFICIENT_INFORMATION, "Subscribers needs at least one Subscriber.", node)
    return SubscriberData(tuple(definitions), records)


def definitions_of(node: Node) -> Iterator[Node]:
    """The FieldDefinition elements below the node's FieldDefinitions, if there is one."""
    found = only_child(node, "FieldDefinitions")
    return iter(()) if found is None else children(found, "FieldDefinition")


def read_definition(node: Node) -> FieldDefinition:
    """The field that a FieldDefinition describes. A type that the product does not know is text."""
    kind = _KINDS.get(text(node, "DataType").lower(), "text")
    is_demographic = text(node, "FieldType").lower() == DEMOGRAPHIC.lower()
    return FieldDefinition(required(node, "Name"), kind, content(child(node, "DefaultValue")) or None,
                           DEMOGRAPHIC if is_demographic else None)


def load(unit: Unit, data: SubscriberData, interests: Sequence[str] = (), mode: str = "AddOrUpdate") -> Loaded:
    """Makes the fields, creates and updates the people, and adds them to the interests, which are made if need be.

    With mode ReplaceAll the sender's other members leave these interests; then there are at most 1,000 records. Nobody
    is resubscribed. Raises ``ConflictingInformationException`` for an address that several records have (ID-16), and
    what ``imports.import_counted`` raises.
    """
    assert mode != REPLACE_ALL or len(data.records) <= MAX_SYNC_RECORDS
    catalogue.define(unit, data.definitions)
    options = ImportOptions(mode, interests=tuple(interests), create_fields=True)
    created = known = suppressed = 0
    refused: list[Outcome] = []
    for start in range(0, len(data.records), MAX_SYNC_RECORDS):
        part = data.records[start:start + MAX_SYNC_RECORDS]
        counters, failed = imports.import_counted(unit, part, options)
        created, suppressed = created + counters.created, suppressed + counters.suppressed
        known += counters.adopted + counters.updated + counters.unchanged
        for outcome in failed:
            record = part[outcome.index]
            if outcome.problem is not None and outcome.problem.code == "AMBIGUOUS_EMAIL":
                raise AapiError(CONFLICTING_INFORMATION, f"Several subscribers have the address {record.email}. Send "
                                                         "the ID of the one you mean.")
            refused.append(replace(outcome, email=record.email))
    return Loaded(created, known, suppressed, tuple(refused))


def _record(node: Node) -> SubscriberRecord:
    email, remote_id = "", ""
    values: dict[str, str | None] = {}
    for name, each in named(node):
        if name == "Email":
            email = email or content(each).strip()
        elif name == "ID":
            remote_id = remote_id or content(each).strip()
        elif name == "Fields":
            for found, field in named(each):
                if found == "Field":
                    values[_name_of(field)] = content(field)
    if not email:
        raise AapiError(INSUFFICIENT_DATA, "A Subscriber needs Email, which is missing or empty.", node)
    return SubscriberRecord(remote_id or None, email, values, problem=_TOO_LONG if len(email) > MAX_ADDRESS else None)


def _name_of(field: Node) -> str:
    name = (field.get("element") or "").strip()
    if not name:
        raise AapiError(INSUFFICIENT_INFORMATION, "A Field needs its name in the attribute element.", field)
    return name
