"""How do property tests get a new brand for every example, and see all that a push may change in it?"""

from __future__ import annotations

import sqlalchemy as sa

from gateway.db.models import metadata
from gateway.domain.records import ImportOptions
from gateway.services import accounts, imports
from tests.support.world import World

TABLES = ("subscriber", "remote_key", "source_values", "membership", "address_status", "interest")


class Brands(World):
    """A world whose every example is a new brand."""

    def __init__(self, url, data_dir):
        super().__init__(url, data_dir=data_dir)
        self._actors = {}

    def brand(self):
        return accounts.add_brand(self.gateway, None, "Example")

    def speaker(self, brand_id, integration="api"):
        name = (brand_id, integration)
        if name not in self._actors:
            self._actors[name] = self.actor(integration, brand_id=brand_id)
        return self._actors[name]

    def push(self, brand_id, given_records, integration="api", chunk=1000):
        """All outcomes of one upload that is cut into chunks, a unit each."""
        actor, options = self.speaker(brand_id, integration), ImportOptions(interests=("All",))
        with self.unit(actor) as unit:
            upload_id = imports.open_upload(unit, options)
        outcomes = []
        for start in range(0, len(given_records), chunk):
            with self.unit(actor) as unit:
                context = imports.prepare(unit, options, upload_id)
                outcomes += imports.apply_chunk(unit, context, given_records[start:start + chunk], start)
        return outcomes

    def state(self, brand_id):
        """The rows that a push may change, of one brand: ids of people counted from its first, other ids by name."""
        with self.reading(self.speaker(brand_id)) as unit:
            found = {}
            for table in TABLES:
                t = metadata.tables[table]
                query = sa.select(t).where(t.c.brand_id == brand_id).order_by(
                    *(t.c[name] for name in ("id", "subscriber_id", "source_id", "email") if name in t.c))
                found[table] = [dict(row._mapping) for row in unit.connection.execute(query)]
            names = {row.id: f"{row.kind}:{row.name}" for row in unit.connection.execute(
                sa.select(metadata.tables["source"]))}
            integrations = {row.id: row.name for row in unit.connection.execute(
                sa.select(metadata.tables["integration"]))}
        people = [row["id"] for row in found["subscriber"]]
        lists = {row["id"]: row["name"] for row in found["interest"]}
        plain = {table: [_plain(table, row, people, names, integrations, lists) for row in rows]
                 for table, rows in found.items()}
        return {table: sorted(rows, key=repr) for table, rows in plain.items()}


def _plain(table, row, people, names, integrations, lists):
    for name in ("brand_id", "last_upload_id"):
        row.pop(name, None)
    number = row.pop("id", None)
    if table == "subscriber":
        row["number"] = people.index(number)
    for name, value in row.items():
        if name in ("subscriber_id", "merged_into") and value is not None:
            row[name] = people.index(value)
        elif name in ("source_id", "first_source_id"):
            row[name] = names[value]
        elif name == "integration_id":
            row[name] = integrations.get(value)
        elif name == "interest_id":
            row[name] = lists[value]
    return row


def told(outcomes):
    """What the sender learns, but for the numbering of people."""
    numbers = {}
    for outcome in outcomes:
        if outcome.subscriber_id is not None:
            numbers.setdefault(outcome.subscriber_id, len(numbers))
    return [(o.index, o.status, o.rule, numbers.get(o.subscriber_id), o.email, o.remote_id, o.matched_by, o.problem,
             o.warnings) for o in outcomes]
