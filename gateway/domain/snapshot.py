"""What must be remembered of a merge, so that it can be undone? (ID-26)

The tombstone keeps its own row, values, ended memberships and opt-outs, so only what the merge takes from it or
mixes into the survivor is noted.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

UNDO_WITHIN = dt.timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The survivor just before a merge, and what left the loser with it.

    ``known``: the survivor was stored already; one that the same chunk made has nothing noted. ``keyless`` and
    ``source_id``: as the survivor was. ``values``: source id -> names of the survivor's own values.
    ``memberships``: its open ones as (interest id, source id, channel). ``keys``: the loser's remote keys as
    (integration id, remote ID); ``flagged``: those of them with a do-not-email flag. ``events``: ids of the loser's
    events, which then point to the survivor.
    """

    known: bool = False
    keyless: bool = False
    source_id: int | None = None
    values: Mapping[int, frozenset[str]] = field(default_factory=dict)
    memberships: frozenset[tuple[int, int, str]] = frozenset()
    keys: tuple[tuple[int, str], ...] = ()
    flagged: tuple[tuple[int, str], ...] = ()
    events: tuple[int, ...] = ()


def dump(snapshot: Snapshot) -> str:
    """The snapshot as it is stored: JSON."""
    return json.dumps({
        "known": snapshot.known, "keyless": snapshot.keyless, "source": snapshot.source_id,
        "values": {str(source_id): sorted(names) for source_id, names in snapshot.values.items()},
        "memberships": sorted(list(each) for each in snapshot.memberships),
        "keys": [list(each) for each in snapshot.keys], "flagged": [list(each) for each in snapshot.flagged],
        "events": list(snapshot.events)}, ensure_ascii=False)


def load(text: str) -> Snapshot:
    """What :func:`dump` wrote; what a later version adds is passed over."""
    read = json.loads(text)
    return Snapshot(
        read.get("known", False), read.get("keyless", False), read.get("source"),
        {int(source_id): frozenset(names) for source_id, names in read.get("values", {}).items()},
        frozenset((interest_id, source_id, channel) for interest_id, source_id, channel in read.get("memberships", ())),
        _names(read.get("keys", ())), _names(read.get("flagged", ())), tuple(read.get("events", ())))


def _names(read: Iterable[Sequence[Any]]) -> tuple[tuple[int, str], ...]:
    return tuple((integration_id, remote_id) for integration_id, remote_id in read)
