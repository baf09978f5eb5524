"""Which rows of a chunk are done at once, column by column, before the others are taken one by one?

A shortcut and nothing else: a plain row ends exactly as :mod:`gateway.domain.applying` would have it, as one that
shares neither key nor address with another is independent of all (ID-P3). Rules: ID-10, ID-13, ID-14, ID-15.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.db.queries import decisions, identities, plain, suppression
from gateway.db.queries.plain import Sender
from gateway.db.unit import Unit
from gateway.domain import records as words
from gateway.domain.batch import AddressRules, read_identity
from gateway.domain.plain import PlainRows, read_block, read_records
from gateway.domain.recordblock import RecordBlock, Records
from gateway.domain.records import CREATED, UNCHANGED, Outcome
from gateway.domain.resolution import Identity
from gateway.services import erased
from gateway.services.importcontext import ImportContext
from gateway.services.interests import resolve_names

BY_KEY, BY_ADDRESS = "ID-13", "ID-14"
"""The rules by which somebody new is made."""

MIN_ROWS = 50
"""Fewer are done one by one as fast."""


@dataclass(slots=True)
class Done:
    """The plain rows of a chunk: who was made, who stays as they were. ``others``: places of all other rows."""

    created: PlainRows = field(default_factory=PlainRows)
    created_ids: Sequence[int] = ()
    same: PlainRows = field(default_factory=PlainRows)
    same_ids: Sequence[int] = ()
    others: Sequence[int] = ()

    def outcomes(self, records: Records, indexes: Sequence[int]) -> dict[int, Outcome]:
        """What became of the plain rows, by their places; ``indexes``: the number of each record of the chunk."""
        made = {}
        for rows, ids, status, rules, matched in (
                (self.created, self.created_ids, CREATED, (BY_ADDRESS, BY_KEY), (None, None)),
                (self.same, self.same_ids, UNCHANGED, ("ID-15", "ID-10"), ("email", "remoteId"))):
            for at, line, remote_id, email, subscriber_id in zip(
                    rows.at, _lines(records, rows.at), rows.remote_ids, rows.emails, ids, strict=True):
                keyed = remote_id is not None
                made[at] = Outcome(indexes[at], status, rules[keyed], subscriber_id, remote_id, email, matched[keyed],
                                   line=line)
        return made


def apply_plain(unit: Unit, context: ImportContext, records: Records) -> Done:
    """Does the plain rows of the chunk and names the others. The caller holds the brand's lock; nothing is committed.

    Does none in One-to-Many and iMIS Legacy, nor for modes that refuse known or unknown people.
    """
    everything = Done(others=range(len(records)))
    if len(records) < MIN_ROWS or not _has_plain_rules(context):
        return everything
    if isinstance(records, RecordBlock):
        rows = read_block(records, context.fields, context.reading.max_length, context.memo)
    else:
        rows = read_records(records, context.fields, context.reading.max_length, context.memo)
    if not rows.at:
        return everything
    rows, named = _apart_from_others(_never_erased(unit, context, rows), records, context.reading)
    sender = Sender(unit.brand_id, context.integration_id, context.value_source_id, context.upload_source_id,
                    context.upload_id, tuple(resolve_names(unit, context.options.interests,
                                                           context.may_create_interests).values()))
    done = _sort(unit, sender, rows, named)
    if done.created.at:
        done.created_ids = identities.new_ids(unit.connection, len(done.created.at))
        plain.create(unit.connection, sender, done.created_ids, done.created.remote_ids, done.created.emails,
                     done.created.documents, unit.now)
    taken = {*done.created.at, *done.same.at}
    done.others = [at for at in range(len(records)) if at not in taken] if len(taken) < len(records) else ()
    if context.options.mode == words.REPLACE_ALL:
        context.seen.update(done.created_ids)
        context.seen.update(done.same_ids)
    return done


def record_created(unit: Unit, context: ImportContext, done: Done, records: Records,
                   indexes: Sequence[int]) -> None:
    """Logs the decisions about the people whom :func:`apply_plain` made (ID-78)."""
    if not done.created.at:
        return
    rows = done.created
    decisions.record_created(
        unit.connection, unit.brand_id, upload_id=context.upload_id, actor=unit.actor.label, door=unit.actor.door,
        now=unit.now, row_numbers=[indexes[at] for at in rows.at], lines=_lines(records, rows.at),
        subscriber_ids=done.created_ids, remote_ids=rows.remote_ids, emails=rows.emails,
        rules=[BY_ADDRESS if remote_id is None else BY_KEY for remote_id in rows.remote_ids])


def _lines(records: Records, places: Sequence[int]) -> list[int | None]:
    """The lines of the file on which the rows stand."""
    if isinstance(records, RecordBlock):
        return [records.first_line + at for at in places]
    return [records[at].line for at in places]


def _has_plain_rules(context: ImportContext) -> bool:
    return (context.plain and not context.legacy and not context.one_to_many
            and context.options.mode in (words.ADD_OR_UPDATE, words.REPLACE_ALL))


def _never_erased(unit: Unit, context: ImportContext, rows: PlainRows) -> PlainRows:
    """The rows but those of people who were erased (ID-35)."""
    if suppression.is_empty(unit.connection, unit.brand_id):
        return rows
    read = erased.withheld(unit, context.integration_id, [
        Identity(remote_id, email) for remote_id, email in zip(rows.remote_ids, rows.emails, strict=True)])
    return rows.without([at for at, who in zip(rows.at, read, strict=True) if not isinstance(who, Identity)])


def _apart_from_others(rows: PlainRows, records: Records, reading: AddressRules) -> tuple[PlainRows, list[Identity]]:
    """The plain rows that share no identifier with any other row; and whom the other rows name."""
    plain_places = set(rows.at)
    if len(plain_places) == len(records):
        return rows, []
    named = [who for who in (read_identity(records[at], reading) for at in range(len(records))
                             if at not in plain_places) if isinstance(who, Identity)]
    keys, addresses = {who.remote_id for who in named} - {None}, {who.email for who in named}
    shared = [at for at, remote_id, email in zip(rows.at, rows.remote_ids, rows.emails, strict=True)
              if remote_id in keys or email in addresses]
    for at in shared:
        who = read_identity(records[at], reading)
        if isinstance(who, Identity):
            named.append(who)
    return rows.without(shared), named


def _sort(unit: Unit, sender: Sender, rows: PlainRows, named: Sequence[Identity]) -> Done:
    """Who is new, and who is known exactly as the row says."""
    count = len(rows.at)
    more = range(count, count + len(named))
    found = plain.look(
        unit.connection, sender, [*range(count), *more],
        [*rows.remote_ids, *(who.remote_id for who in named)], [*rows.emails, *(who.email for who in named)],
        [*rows.documents, *(None for _ in named)])
    holders = Counter([abs(holder) for _, holder, _, _, _ in found if holder is not None])
    new, same = [], {}
    for place, holder, here, facts, is_same in found:
        if place >= count or facts:
            continue
        if holder is None and here is None:
            new.append(place)
        elif is_same and holders[here] == (holder is not None):  # else another row names the same person by a key
            same[place] = here
    places = sorted(same)
    return Done(created=_at(rows, sorted(new)), same=_at(rows, places), same_ids=[same[place] for place in places])


def _at(rows: PlainRows, places: Sequence[int]) -> PlainRows:
    """The rows at these places, which rise."""
    if len(places) == len(rows.at):
        return rows
    return PlainRows(*([column[place] for place in places]
                       for column in (rows.at, rows.remote_ids, rows.emails, rows.documents)))
