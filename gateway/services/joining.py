"""How do records that turned out to be one person become one record in the store? (ID-26)"""

from __future__ import annotations

from gateway.db.queries import events, merges, people_write
from gateway.db.unit import Unit
from gateway.domain.events import MERGED, NewEvent
from gateway.domain.people import Directory


def store(unit: Unit, directory: Directory, rule: str) -> None:
    """Writes the picture's changes and merges, with the events ``merged`` and what undoing them needs.

    The caller holds the brand's lock; memberships that the picture did not load are moved in the store.
    """
    pairs = {merged.loser_id: merged.survivor_id for merged in directory.merges}
    before = merges.look(unit.connection, unit.brand_id, pairs)
    people_write.write_people(unit.connection, unit.brand_id, list(directory.touched.values()), directory.merges, 0,
                              unit.now)
    merges.record(unit.connection, unit.brand_id, pairs, before, rule=rule, upload_id=None, now=unit.now)
    events.add_all(unit.connection, unit.brand_id, [NewEvent(
        MERGED, unit.now, f"merge:{rule}:{merged.loser_id}:{unit.now.isoformat()}", subscriber_id=merged.survivor_id,
        remote_id=merged.remote_id, address=merged.email, raw={"mergedId": merged.loser_id})
        for merged in directory.merges], unit.now)
