"""What becomes of values, memberships and status when something comes to a known person? (ID-26, ID-36..39)"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass

from gateway.domain.documents import as_text
from gateway.domain.people import Directory, Document, Membership, Merge, Person
from gateway.domain.suppression import stricter

NATIVE, GROUPS, LIST = "native", "groups", "list"
"""The channels of a source; each of them replaces only its own memberships (ID-38)."""


Rank = Callable[[int], tuple[int, int]]
"""Where a source stands in the brand's priority list: the lower one's value is effective (ID-36)."""


@dataclass(frozen=True, slots=True)
class Value:
    """The effective value of a field, and which source gave it when."""

    text: str
    source_id: int
    changed_at: str


def whole_state(person: Person, source_id: int, given: Mapping[str, str | None]) -> dict[str, str | None]:
    """``given`` as all that the source says of the person: what it said before and says no more is cleared (ID-40)."""
    document = person.documents.get(source_id)
    said: Mapping[str, str] = {} if document is None else json.loads(document.text)
    return {**dict.fromkeys(said), **given}


def write_values(person: Person, source_id: int, given: Mapping[str, str | None], now: dt.datetime) -> list[str]:
    """Puts the values of one source into its document of the person; answers the names that changed.

    None clears. A document that stays equal is not touched (ID-72); other sources are never read (ID-37).
    """
    document = person.documents.get(source_id)
    if document is None:
        values = {name: text for name, text in given.items() if text is not None}
        if values:
            person.documents[source_id] = Document(as_text(values), "{}", now, is_new=True)
        return list(values)
    old = json.loads(document.text)
    changed = [name for name, text in given.items() if old.get(name) != text]
    if not changed:
        return changed
    new = {name: text for name, text in {**old, **{name: given[name] for name in changed}}.items() if text is not None}
    times = _times(document, old)
    document.changed = as_text({name: times[name] for name in new if name not in changed})
    document.text, document.changed_at, document.is_changed = as_text(new), now, True
    return changed


def effective(documents: Mapping[int, Document], rank: Rank) -> dict[str, Value]:
    """The value that counts of each field: the first source of the list, then the newest (ID-36)."""
    best: dict[str, tuple[tuple[int, int], Value]] = {}
    for source_id, document in documents.items():
        values = json.loads(document.text)
        times = _times(document, values)
        for name, text in values.items():
            found, place = Value(text, source_id, times[name]), rank(source_id)
            rival = best.get(name)
            if rival is None or place < rival[0] or (place == rival[0] and _is_newer(found, rival[1])):
                best[name] = (place, found)
    return {name: value for name, (_, value) in best.items()}


def not_effective(person: Person, source_id: int, names: Iterable[str], rank: Rank) -> list[str]:
    """Those of the names whose stored value of this source is not the one that counts (ID-37)."""
    if len(person.documents) < 2:
        return []
    counting = effective(person.documents, rank)
    own = json.loads(person.documents[source_id].text) if source_id in person.documents else {}
    return [name for name in names if name in own and counting[name].source_id != source_id]


def join(person: Person, interest_id: int, now: dt.datetime) -> bool:
    """Opens the sender's native membership unless it is open; whether it was opened (ID-38)."""
    if any(row.interest_id == interest_id and row.channel == NATIVE and row.until is None
           for row in person.memberships):
        return False
    person.memberships.append(Membership(interest_id, NATIVE, now))
    return True


def leave(person: Person, interest_id: int, now: dt.datetime) -> bool:
    """Ends what the sender opened of this interest; whether anything was open (PUSH-54)."""
    ended = False
    for row in person.memberships:
        if row.interest_id == interest_id and row.until is None:
            row.until, row.is_changed, ended = now, True, True
    return ended


def leave_others(person: Person, interest_ids: Container[int], now: dt.datetime) -> bool:
    """Ends the sender's native memberships in all interests but these; whether any was open (ID-38, ID-40)."""
    ended = False
    for row in person.memberships:
        if row.channel == NATIVE and row.until is None and row.interest_id not in interest_ids:
            row.until, row.is_changed, ended = now, True, True
    return ended


def absorb(directory: Directory, survivor: Person, loser: Person, remote_id: str | None, now: dt.datetime) -> None:
    """Merges the loser, a record without remote ID, into the survivor (ID-26).

    Values come with their sources, the survivor's own of the same source stay; open memberships come
    along; the stricter status survives. The loser keeps its own rows as they were, so that an
    administrator can undo it; what the picture did not load is moved in the store (``directory.merges``).
    """
    for source_id, document in loser.documents.items():
        own = survivor.documents.get(source_id)
        if own is None:
            survivor.documents[source_id] = Document(document.text, document.changed, document.changed_at, is_new=True)
        else:
            _fill(own, document)
    _take_memberships(survivor, loser, now)
    survivor.left |= loser.left
    if loser.opted_out_at is not None:
        survivor.opted_out_at = survivor.opted_out_at or loser.opted_out_at
        survivor.opt_out_origin = stricter(survivor.opt_out_origin, loser.opt_out_origin)
    assert loser.email is not None
    directory.merges.append(Merge(loser.subscriber_id, survivor.subscriber_id, remote_id, loser.email))
    directory.bury(loser, survivor)


def _fill(own: Document, other: Document) -> None:
    """Adds the other document's values that this one lacks, with their own times."""
    values, others = json.loads(own.text), json.loads(other.text)
    missing = {name: text for name, text in others.items() if name not in values}
    if not missing:
        return
    times, other_times = _times(own, values), _times(other, others)
    times |= {name: other_times[name] for name in missing}
    own.text, own.changed = as_text(values | missing), as_text(times)
    own.is_changed = True


def _take_memberships(survivor: Person, loser: Person, now: dt.datetime) -> None:
    open_now = {(row.interest_id, row.channel) for row in survivor.memberships if row.until is None}
    for row in loser.memberships:
        if row.until is not None:
            continue
        row.until, row.is_changed = now, True
        if (row.interest_id, row.channel) not in open_now:
            survivor.memberships.append(Membership(row.interest_id, row.channel, row.since, begins_at=row.begins_at,
                                                   ends_at=row.ends_at, detail=row.detail))


def _times(document: Document, values: Mapping[str, str]) -> dict[str, str]:
    """When each value was changed: at the document's time unless it says otherwise."""
    spoken, usual = json.loads(document.changed), _written(document.changed_at)
    return {name: spoken.get(name, usual) for name in values}


def _written(moment: dt.datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _is_newer(one: Value, other: Value) -> bool:
    return (one.changed_at, one.source_id) > (other.changed_at, other.source_id)


def give_back(own: Document, loser: Document, had: Iterable[str], others: Iterable[Document] = ()) -> Document | None:
    """The survivor's values of a source without those that came from the loser; None when none is left (ID-26).

    ``had``: names that the survivor had itself before the merge. A value that was changed since stays. ``others``: of
    records that stay merged into it; what they gave takes the place of what goes.
    """
    values, theirs = json.loads(own.text), json.loads(loser.text)
    times, other_times = _times(own, values), _times(loser, theirs)
    kept_names = set(had)
    kept = {name: text for name, text in values.items()
            if name in kept_names or theirs.get(name) != text or other_times.get(name) != times[name]}
    gone = values.keys() - kept.keys()
    for document in others:
        given = {name: text for name, text in json.loads(document.text).items() if name in gone - kept.keys()}
        times |= _times(document, given)
        kept |= given
    if not kept:
        return None
    return Document(as_text(kept), as_text({name: times[name] for name in kept}), own.changed_at, is_changed=True)
