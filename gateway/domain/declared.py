"""What is each column of a table without header, whose sender declares it? (aapi.md section 5.4)

Declared columns are texts, so that a job can keep them: :data:`EMAIL`, :data:`REMOTE_ID`, :data:`INTERESTS`, a field as
:func:`field_column` writes it, or ``""`` for one that is left out. No word of them is guessed at: a field may be called
like an identifier.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.domain.fields import fold
from gateway.domain.mapping import EMAIL, INTERESTS, MAX_COLUMNS, REMOTE_ID, ColumnPlan
from gateway.domain.records import MAX_FIELDS_PER_RECORD, REMOVE, STATUS_MODES
from gateway.errors import GatewayError

__all__ = ["EMAIL", "INTERESTS", "REMOTE_ID", "check_declared", "field_column", "plan_declared"]

SEPARATOR = ","
"""Between the interests of a cell."""

_FIELD = "field:"
_IDENTIFIERS = (EMAIL, REMOTE_ID, INTERESTS)


def field_column(name: str) -> str:
    """The column of the brand's field of this name."""
    return _FIELD + name.strip()


def check_declared(columns: Sequence[str]) -> None:
    """Raises ``INVALID_REQUEST`` when no column is the e-mail address, one is unknown or two mean the same, and
    ``LIMIT_EXCEEDED`` for too many."""
    named = [fold(column) if column.startswith(_FIELD) else column for column in columns if column]
    if EMAIL not in named:
        raise _refused("No column is the e-mail address.")
    for at, column in enumerate(named):
        if column not in _IDENTIFIERS and not column.startswith(_FIELD):
            raise _refused(f"A column is one of {', '.join(_IDENTIFIERS)} or {_FIELD}NAME.")
        if column in named[:at]:
            raise _refused(f"Two columns are {column.removeprefix(_FIELD)}.")
    if len(columns) > MAX_COLUMNS or len(named) > MAX_FIELDS_PER_RECORD:
        raise GatewayError("LIMIT_EXCEEDED", f"A table has at most {MAX_COLUMNS} columns, and {MAX_FIELDS_PER_RECORD} "
                                             "of them are taken.", field="columns")


def plan_declared(columns: Sequence[str], known_fields: Mapping[str, str], mode: str) -> ColumnPlan:
    """Where each declared column goes. ``known_fields``: folded name -> name of the brand's fields.

    A row without e-mail address is none, whatever its remote ID. With mode Remove the interests of a cell are left and
    fields mean nothing; where only the status is changed, neither does.
    """
    check_declared(columns)
    places = {column: at for at, column in enumerate(columns)}
    fields: list[tuple[int, str]] = []
    unmapped: list[str] = []
    for at, column in enumerate(columns):
        if not column.startswith(_FIELD) or mode in (REMOVE, *STATUS_MODES):
            continue
        name = column.removeprefix(_FIELD)
        known = known_fields.get(fold(name))
        if known is None:
            unmapped.append(name)
        else:
            fields.append((at, known))
    interests = None if mode in STATUS_MODES else places.get(INTERESTS)
    return ColumnPlan(len(columns), places.get(REMOTE_ID), places[EMAIL], interests, None, tuple(fields),
                      tuple(unmapped), SEPARATOR, leaves=mode == REMOVE, needs_email=True)


def _refused(message: str) -> GatewayError:
    return GatewayError("INVALID_REQUEST", message, field="columns")
