"""How does a changed picture get into the store, with records that turned out to be one person? (ID-26)"""

from __future__ import annotations

from gateway.db.queries import events, merges, people_write
from gateway.db.unit import Unit
from gateway.domain.events import MERGED, NewEvent
from gateway.domain.people import Directory


def store(unit: Unit, directory: Directory, rule: str, *, source_id: int = 0, upload_id: int | None = None) -> None:
    """Writes the picture's changes and merges, with the events ``merged`` and what undoing them needs.

    ``source_id``: whose memberships the picture carries. The caller holds the brand's lock; memberships that the
    picture did not load are moved in the store.
    """
    pairs = {merged.loser_id: merged.survivor_id for merged in directory.merges}
    before = merges.look(unit.connection, unit.brand_id, pairs)
    people_write.write_people(unit.connection, unit.brand_id, list(directory.touched.values()), directory.merges,
                              source_id, unit.now)
    people_write.inherit(unit.connection, unit.brand_id, directory.heirs)
    merges.record(unit.connection, unit.brand_id, pairs, before, rule=rule, upload_id=upload_id, now=unit.now)
    events.add_all(unit.connection, unit.brand_id, [NewEvent(
        MERGED, unit.now, f"merge:{rule}:{merged.loser_id}:{unit.now.isoformat()}", subscriber_id=merged.survivor_id,
        remote_id=merged.remote_id, address=merged.email, raw={"mergedId": merged.loser_id})
        for merged in directory.merges], unit.now)
