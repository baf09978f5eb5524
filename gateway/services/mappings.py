"""Which saved mappings say what the columns of a file mean? (PUSH-61)"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.db.queries import locks
from gateway.db.queries import mappings as stored
from gateway.domain.addresses import holds_forbidden
from gateway.domain.mapping import ColumnMapping, checked_columns
from gateway.domain.records import MAX_NAME
from gateway.errors import GatewayError
from gateway.services.gateway import Unit

MAX_MAPPINGS = 200


def save(unit: Unit, name: str, columns: Mapping[str, str] | Sequence[str]) -> ColumnMapping:
    """Saves a mapping, or puts it in the place of an older one of its name; jobs that were taken in keep theirs.

    ``columns``: column of the file -> what it is, for files with a header; or what each column is in its order, for
    files without. Repeating it changes nothing. Raises ``INVALID_VALUE``, ``INVALID_CHARACTER`` or ``LIMIT_EXCEEDED``.
    """
    unit.actor.require("import")
    if not name.strip() or len(name) > MAX_NAME:
        raise GatewayError("INVALID_VALUE", f"A mapping has a name of 1 to {MAX_NAME} characters.", field="name")
    if holds_forbidden(name):
        raise GatewayError("INVALID_CHARACTER", "The name holds a character that cannot be stored.", field="name")
    checked = checked_columns(columns)
    locks.lock_brand(unit.connection, unit.brand_id)
    known = stored.find(unit.connection, unit.brand_id)
    if len(known) >= MAX_MAPPINGS and all(row.name != name for row in known):
        raise GatewayError("LIMIT_EXCEEDED", f"A brand saves at most {MAX_MAPPINGS} mappings. Delete one.",
                           field="name")
    stored.save(unit.connection, unit.brand_id, name, checked, unit.now)
    return get(unit, name)


def get(unit: Unit, name: str) -> ColumnMapping:
    """The mapping of this name, case and all. Raises ``NOT_FOUND``."""
    row = stored.get(unit.connection, unit.brand_id, name)
    if row is None:
        raise GatewayError("NOT_FOUND", "There is no saved mapping of this name.", field="mapping")
    return _view(row)


def find(unit: Unit) -> tuple[ColumnMapping, ...]:
    """All mappings of the brand, by name."""
    return tuple(_view(row) for row in stored.find(unit.connection, unit.brand_id))


def delete(unit: Unit, name: str) -> None:
    """Removes the mapping; jobs that were taken in with it keep it. Raises ``NOT_FOUND``."""
    unit.actor.require("import")
    if not stored.delete(unit.connection, unit.brand_id, name):
        raise GatewayError("NOT_FOUND", "There is no saved mapping of this name.", field="mapping")


def _view(row: Any) -> ColumnMapping:
    columns = row.columns
    return ColumnMapping(row.name, columns if isinstance(columns, dict) else tuple(columns), row.created_at)
