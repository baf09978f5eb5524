"""What do we know of a brand's people, whatever numbers their records got? For comparing the outcome of two ways."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from gateway.db.models import metadata
from gateway.db.unit import Unit


def people_of(unit: Unit) -> list[str]:
    """Every live record of the brand as a text that names no number and no time, sorted; tombstones as their count.

    What a record is called by is its address and its keys; sources, integrations and interests go by their names.
    """
    tables = {name: _rows(unit, name) for name in (
        "subscriber", "remote_key", "source_values", "membership", "address_status", "interest", "source",
        "integration")}
    source = {row["id"]: f"{row['kind']}:{row['name']}" for row in tables["source"]}
    integration = {row["id"]: row["name"] for row in tables["integration"]}
    interest = {row["id"]: row["name"] for row in tables["interest"]}
    keys, values, memberships = (_by_subscriber(tables[name]) for name in (
        "remote_key", "source_values", "membership"))
    facts = {row["email"]: [bool(row["opted_out_at"]), bool(row["bounced_at"])] for row in tables["address_status"]}
    found = []
    for row in tables["subscriber"]:
        if row["merged_into"] is None:
            mine = row["id"]
            found.append(json.dumps({
                "email": row["email"], "keyless": bool(row["keyless"]), "orphan": bool(row["orphan"]),
                "optedOut": bool(row["opted_out_at"]), "address": facts.get(row["email"], [False, False]),
                "source": source[row["source_id"]], "first": source[row["first_source_id"]],
                "keys": sorted([integration[key["integration_id"]], key["remote_id"], bool(key["do_not_email"]),
                                bool(key["ended_at"])] for key in keys.get(mine, ())),
                "values": sorted([source[each["source_id"]], each["document"]] for each in values.get(mine, ())
                                 if each["document"] != "{}"),
                "interests": sorted([interest[each["interest_id"]], source[each["source_id"]], each["channel"]]
                                    for each in memberships.get(mine, ()) if each["until"] is None),
            }, ensure_ascii=False, sort_keys=True))
    merged = sum(row["merged_into"] is not None for row in tables["subscriber"])
    return [f"{merged} tombstones", *sorted(found)]


def _rows(unit: Unit, name: str) -> list[dict[str, Any]]:
    table = metadata.tables[name]
    return [dict(row._mapping) for row in unit.connection.execute(
        sa.select(table).where(table.c.brand_id == unit.brand_id))]


def _by_subscriber(rows: list[dict[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    found: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["subscriber_id"], []).append(row)
    return found
