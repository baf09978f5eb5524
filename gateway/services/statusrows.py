"""What do the rows of a file that only unsubscribe or resubscribe people do? (aapi.md section 5.4)"""

from __future__ import annotations

from dataclasses import replace

from gateway.db.queries import decisions
from gateway.db.unit import Unit
from gateway.domain.recordblock import Records
from gateway.domain.records import MAX_SYNC_RECORDS, UNSUBSCRIBE, Counters, Identifier, StatusEntry
from gateway.services import suppression

UNSUBSCRIBED, RESUBSCRIBED = "Unsubscribed by upload", "Resubscribed by upload"
"""The reasons that are stored."""


def apply_counted(unit: Unit, mode: str, upload_id: int, records: Records, first_index: int,
                  counters: Counters) -> None:
    """Changes the status of whom each record names, counts what became of it and logs the decisions (ID-78).

    Row by row in the order of the file; how it is cut into chunks changes nothing. Nothing is committed here.
    """
    reason = UNSUBSCRIBED if mode == UNSUBSCRIBE else RESUBSCRIBED
    for start in range(0, len(records), MAX_SYNC_RECORDS):
        part = list(records[start:start + MAX_SYNC_RECORDS])
        entries = [StatusEntry(Identifier(None, record.remote_id, record.email), reason, record.problem)
                   for record in part]
        outcomes = [replace(outcome, index=first_index + start + outcome.index, line=record.line)
                    for record, outcome in zip(part, suppression.change_rows(unit, entries, mode), strict=True)]
        decisions.record(unit.connection, unit.brand_id, upload_id=upload_id, actor=unit.actor.label,
                         door=unit.actor.door, now=unit.now, outcomes=outcomes)
        for outcome in outcomes:
            counters.add(outcome)
