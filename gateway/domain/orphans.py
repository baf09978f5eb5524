"""Why has a record no link any more, and what can be done about it? (ID-29, ID-32..34)"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

DELETED, SWEPT, WITHDRAWN, MOVED, UNKNOWN = "deleted", "gone", "address_empty", "moved", "unknown"
REASONS = {
    DELETED: "The system says that the person was deleted there.",
    SWEPT: "A complete sync did not list the remote ID any more.",
    WITHDRAWN: "The system lists the remote ID without an address.",
    MOVED: "The remote ID went to another record.",
    UNKNOWN: "Nothing is stored about how the link ended.",
}
"""Word -> sentence: how the last link ended."""

_RULES = {"ID-32": DELETED, "ID-33": WITHDRAWN, "ID-25": MOVED, "ID-29": MOVED}
ENDING_RULES = tuple(_RULES)
"""Rules by which a link ends; the newest decision of one of them says why."""

COMES_BACK, JOIN, OTHER_RECORD, INCLUDE, ERASE = "comes_back", "join", "other_record", "include", "erase"


@dataclass(frozen=True, slots=True)
class OrphanFilter:
    """Which orphans: those whose last link was of this integration; None: all."""

    integration: str | None = None


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another record at the orphan's address, which is none; with a live link, or with none (both None)."""

    subscriber_id: int
    integration: str | None
    remote_id: str | None


@dataclass(frozen=True, slots=True)
class Ending:
    """How the last link ended. ``row_number`` is that of the decision, ``read`` how many rows its sync read."""

    integration: str | None
    remote_id: str | None
    ended_at: dt.datetime | None
    rule: str | None
    row_number: int | None = None
    read: int | None = None


@dataclass(frozen=True, slots=True)
class Remedy:
    """Something that can be done: a word, a sentence, and the operation that does it, if one does."""

    word: str
    sentence: str
    operation: str | None = None


@dataclass(frozen=True, slots=True)
class OrphanView:
    """A record without a link. ``reason`` is a word of :data:`REASONS`; the remote ID is that of its last link."""

    subscriber_id: int
    email: str | None
    integration: str | None
    remote_id: str | None
    ended_at: dt.datetime | None
    reason: str
    sentence: str
    remedies: tuple[Remedy, ...]
    changed_at: dt.datetime


def reason_of(ending: Ending) -> str:
    """How the last link ended, as a word. A sync numbers the links that it did not find after all rows it read."""
    word = _RULES.get(ending.rule or "", UNKNOWN)
    swept = ending.row_number is not None and ending.read is not None and ending.row_number >= ending.read
    return SWEPT if word == DELETED and swept else word


def remedies(ending: Ending, neighbours: Sequence[Neighbour]) -> tuple[Remedy, ...]:
    """What can be done about an orphan, the likeliest first."""
    return tuple(_remedies(ending, reason_of(ending), neighbours))


def view(subscriber_id: int, email: str | None, changed_at: dt.datetime, ending: Ending,
         neighbours: Mapping[str, Sequence[Neighbour]]) -> OrphanView:
    """The orphan as every door shows it."""
    word = reason_of(ending)
    return OrphanView(subscriber_id, email, ending.integration, ending.remote_id, ending.ended_at, word, REASONS[word],
                      remedies(ending, neighbours.get(email or "", ())), changed_at)


def _remedies(ending: Ending, word: str, neighbours: Sequence[Neighbour]) -> Iterator[Remedy]:
    for other in neighbours:
        if other.remote_id is None:
            yield Remedy(OTHER_RECORD, f"Record {other.subscriber_id}, without a remote ID, has the address now.")
        elif other.integration == ending.integration and ending.remote_id is not None and word != MOVED:
            yield Remedy(JOIN, f"Record {other.subscriber_id} has the address now, under the remote ID "
                               f"{other.remote_id}. If that is the same person, say so: {ending.remote_id} is called "
                               f"{other.remote_id}.", "ChangeRemoteId")
        else:
            yield Remedy(OTHER_RECORD, f"Record {other.subscriber_id} has the address now: {other.integration}:"
                                       f"{other.remote_id}.")
    if ending.remote_id is not None and word != MOVED:
        yield Remedy(COMES_BACK, f"It comes back by itself when {ending.integration} lists the remote ID "
                                 f"{ending.remote_id} again, with an address.")
    yield Remedy(INCLUDE, "A mailing reaches it only if it says includeOrphans.", "UpdateMailing")
    yield Remedy(ERASE, "If the person asks to be forgotten, erase the record.", "gateway erase")
