"""How do records become subscribers? The one way in for every door (identity.md, PUSH-51..56).

A synchronous call is :func:`import_records`. A job or a sync makes its context once (:func:`prepare`),
applies chunk after chunk (:func:`apply_chunk`) and ends with :func:`finish`.
"""

from __future__ import annotations

import datetime as dt
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

from gateway.db.queries import accounts, batches, decisions, identities, interests, locks, own_interests
from gateway.db.unit import Unit
from gateway.domain import records as words
from gateway.domain.applying import apply_record
from gateway.domain.batch import note, read_identity
from gateway.domain.brake import brake_of
from gateway.domain.links import mark_replacements, with_old_mains
from gateway.domain.merge import NATIVE
from gateway.domain.recordblock import Records
from gateway.domain.records import BatchReport, Counters, ImportOptions, Outcome, Problem, SubscriberRecord
from gateway.domain.resolution import Identity
from gateway.errors import GatewayError
from gateway.services import corrections, erased, joining
from gateway.services.importcontext import ImportContext, check_options, prepare, refresh, sender_of, undone_if
from gateway.services.importpicture import batch_of, picture
from gateway.services.interests import resolve_names
from gateway.services.own_interests import settle_names
from gateway.services.plainrows import Done, apply_plain, record_created

__all__ = ["ImportContext", "apply_apart", "apply_chunk", "apply_counted", "check_options", "end_links", "finish",
           "import_counted", "import_records", "log_outcomes", "open_upload", "options_as_json", "prepare", "recognise",
           "trim"]

MERGE_RULE = "ID-17"
"""By which an import merges one record into another."""


def import_records(unit: Unit, records: Sequence[SubscriberRecord], options: ImportOptions) -> BatchReport:
    """Applies a synchronous batch of at most 1,000 records in the caller's unit (PUSH-31, SOAP-39).

    Every record has its own outcome, in the order sent; a failed one changes nothing. A dry run answers
    as usual and leaves only the upload. Raises ``NOT_ALLOWED``, ``TOO_MANY_RECORDS``, ``LIST_UNKNOWN``,
    ``INVALID_REQUEST``, ``NOT_FOUND`` (integration) or ``BRAKE_HELD``; then nothing may be committed.
    """
    counters, done, others = _import(unit, records, options)
    told = trim(_in_order(done, others, records, range(len(records))) if options.detail == "All" else others,
                options.detail)
    return BatchReport(counters, told, unit.actor.request_id, unit.now, options.dry_run)


def import_counted(unit: Unit, records: Sequence[SubscriberRecord],
                   options: ImportOptions) -> tuple[Counters, tuple[Outcome, ...]]:
    """Like :func:`import_records`, for a caller who wants to know how many, and which failed."""
    counters, _, others = _import(unit, records, options)
    return counters, trim(others, "Failures")


def _import(unit: Unit, records: Sequence[SubscriberRecord],
            options: ImportOptions) -> tuple[Counters, Done, list[Outcome]]:
    unit.actor.require("import")
    if len(records) > words.MAX_SYNC_RECORDS:
        raise GatewayError("TOO_MANY_RECORDS", f"A call takes at most {words.MAX_SYNC_RECORDS} records. "
                                               "Send several calls, or one bulk import.")
    if options.mode == words.REPLACE_ALL and not records:
        raise GatewayError("INVALID_REQUEST", "ReplaceAll without records would empty the interests. "
                                              "Send the complete list.", field="mode")
    check_options(options)
    locks.lock_brand(unit.connection, unit.brand_id)
    upload_id = open_upload(unit, options)
    with undone_if(unit, options.dry_run):
        context = prepare(unit, options, upload_id)
        indexes = range(len(records))
        done, others = _apply_all(unit, context, records, indexes)
        others = mark_replacements(others)
        finish(unit, context)
    _record(unit, context, done, others, records, indexes)
    counters = Counters()
    _count(counters, done, others)
    batches.close_upload(unit.connection, unit.brand_id, upload_id, asdict(counters), counters.received,
                         counters.failed)
    return counters, done, others


def trim(outcomes: Sequence[Outcome], detail: str) -> tuple[Outcome, ...]:
    """The outcomes that the caller wants to see (SOAP-33): All, Failures or None."""
    if detail == "None":
        return ()
    if detail == "Failures":
        return tuple(outcome for outcome in outcomes if outcome.status == words.FAILED)
    return tuple(outcomes)


def open_upload(unit: Unit, options: ImportOptions) -> int:
    """Stores the upload of a synchronous call or a sync and answers its id."""
    integration_id, _ = sender_of(unit, options)
    return batches.open_upload(
        unit.connection, unit.brand_id, door=unit.actor.door, actor=unit.actor.label, integration_id=integration_id,
        label=options.label, options=options_as_json(options), request_id=unit.actor.request_id, now=unit.now)


def options_as_json(options: ImportOptions) -> dict[str, object]:
    """The options as they are stored with the upload."""
    stored: dict[str, object] = {
        "mode": options.mode, "interests": list(options.interests), "emptyValue": options.empty_value,
        "dryRun": options.dry_run, "detail": options.detail}
    if options.change_addresses is not None:
        stored["changeAddresses"] = options.change_addresses
    if options.known_interests:
        stored["knownInterests"] = True
    return stored


def apply_chunk(unit: Unit, context: ImportContext, records: Records, first_index: int,
                *, numbers: Sequence[int] | None = None) -> list[Outcome]:
    """Applies the records of one chunk, whose first is number ``first_index`` of the upload, and logs the decisions.

    ``numbers``: the number of each, where they do not follow each other. The result does not depend on how an upload
    is cut into chunks (ID-P2). Nothing is committed here.
    """
    indexes = _following(first_index, records) if numbers is None else numbers
    done, others = _apply_logged(unit, context, records, indexes)
    return _in_order(done, others, records, indexes)


def apply_apart(unit: Unit, context: ImportContext, records: Records,
                indexes: Sequence[int]) -> tuple[Done, list[Outcome]]:
    """Like :func:`apply_chunk`, for a caller who counts: the plain rows together, and the outcomes of the others in
    the order of ``Done.others``."""
    return _apply_logged(unit, context, records, indexes)


def log_outcomes(unit: Unit, context: ImportContext, outcomes: Sequence[Outcome]) -> None:
    """Logs what became of records that the caller applied and took back, as :func:`apply_chunk` does of its own."""
    _record(unit, context, Done(), outcomes, (), ())


def apply_counted(unit: Unit, context: ImportContext, records: Records, first_index: int, counters: Counters) -> None:
    """Like :func:`apply_chunk`, but only counts the outcomes, for nobody waits for those of a job."""
    _count(counters, *_apply_logged(unit, context, records, _following(first_index, records)))


def _count(counters: Counters, done: Done, others: Sequence[Outcome]) -> None:
    counters.add_many(words.CREATED, len(done.created.at))
    counters.add_many(words.UNCHANGED, len(done.same.at))
    for outcome in others:
        counters.add(outcome)


def recognise(unit: Unit, context: ImportContext, records: Records) -> None:
    """Adds the people whom these records name to ``context.seen``; changes nothing. For resuming a ReplaceAll."""
    refresh(unit, context)
    read = _read(unit, context, records)
    batch = batch_of(unit, context, records, picture(unit, context, records, read))
    for record, who in zip(records, read, strict=True):
        note(batch, record, who)
    context.seen.update(batch.seen)


def finish(unit: Unit, context: ImportContext, *, released: bool = False,
           joined_by: dt.datetime | None = None) -> int:
    """Ends a complete upload. ReplaceAll: this source's other members leave the named interests (PUSH-55).

    Whoever joined after ``joined_by``, when the list was made, stays. Answers how many memberships ended. Raises
    ``BRAKE_HELD`` when more would than the brand's brake lets through (ID-70; a tenth and 10), unless it was
    ``released``.
    """
    if context.options.mode != words.REPLACE_ALL:
        return 0
    locks.lock_brand(unit.connection, unit.brand_id)
    named = resolve_names(unit, context.options.interests, context.may_create_interests)
    count, leaving = 0, array("q")
    for members in own_interests.member_pages(unit.connection, unit.brand_id, list(named.values()),
                                              context.value_source_id, NATIVE, joined_by):
        count += len(members)
        leaving.extend(_not_named(unit, context, members))
    if brake_of(accounts.brand_settings(unit.connection, unit.brand_id)).holds(len(leaving), count) and not released:
        raise GatewayError("BRAKE_HELD", f"{len(leaving)} of {count} memberships would end. Check that the "
                                         "list is complete; an administrator can release it.", field="mode")
    for start in range(0, len(leaving), own_interests.PAGE):
        interests.end_memberships(unit.connection, unit.brand_id, list(leaving[start:start + own_interests.PAGE]),
                                  unit.now)
    return len(leaving)


def _not_named(unit: Unit, context: ImportContext, members: Sequence[tuple[int, int]]) -> list[int]:
    """Those memberships whose people the upload did not name: neither themselves, nor as a record merged into them, nor
    by a link that another upload gave them since."""
    left = {subscriber_id: row_id for row_id, subscriber_id in members if subscriber_id not in context.seen}
    went = identities.merged_into(unit.connection, unit.brand_id, left.keys())
    if context.one_to_many:
        went += identities.link_moves(unit.connection, unit.brand_id, left.keys(), context.upload_id)
    named = {new_id for old_id, new_id in went if old_id in context.seen}
    return [row_id for row_id, subscriber_id in members if subscriber_id in left.keys() - named]


def end_links(unit: Unit, context: ImportContext, remote_ids: Sequence[str], *, first_index: int = 0,
              warned: Mapping[str, Problem] | None = None) -> list[Outcome]:
    """Ends these links of the sender's integration (ID-32): people leave its interests, and who has no other
    link becomes an orphan, with status, flag and history kept. Ending one twice changes nothing.

    ``warned``: remote ID -> what its outcome warns of.
    """
    records = [SubscriberRecord(remote_id, deleted=True, warnings=(warned[remote_id],) if warned and remote_id in warned
                                else ()) for remote_id in remote_ids]
    return apply_chunk(unit, context, records, first_index)


def _following(first_index: int, records: Records) -> Sequence[int]:
    return range(first_index, first_index + len(records))


def _apply_logged(unit: Unit, context: ImportContext, records: Records,
                  indexes: Sequence[int]) -> tuple[Done, list[Outcome]]:
    locks.lock_brand(unit.connection, unit.brand_id)
    with undone_if(unit, context.options.dry_run):
        done, others = _apply_all(unit, context, records, indexes)
    _record(unit, context, done, others, records, indexes)
    return done, others


def _apply_all(unit: Unit, context: ImportContext, records: Records,
               indexes: Sequence[int]) -> tuple[Done, list[Outcome]]:
    """The plain rows at once, then the others one by one."""
    refresh(unit, context)
    done = apply_plain(unit, context, records)
    return done, _apply(unit, context, [records[at] for at in done.others], [indexes[at] for at in done.others])


def _in_order(done: Done, others: Sequence[Outcome], records: Records, indexes: Sequence[int]) -> list[Outcome]:
    if not done.created.at and not done.same.at:
        return list(others)
    placed = done.outcomes(records, indexes)
    placed.update(zip(done.others, others, strict=True))
    return [placed[at] for at in range(len(records))]


def _apply(unit: Unit, context: ImportContext, records: Sequence[SubscriberRecord],
           indexes: Sequence[int]) -> list[Outcome]:
    if not records:
        return []
    names_interests = bool(context.options.interests) or any(
        r.whole or r.deleted or r.withdrawn or r.add_interests or r.remove_interests or r.listed is not None
        for r in records)
    read = _read(unit, context, records)
    directory = picture(unit, context, records, read, with_memberships=names_interests)
    batch = batch_of(unit, context, records, directory)
    outcomes = [apply_record(batch, index, record, who)
                for index, record, who in zip(indexes, records, read, strict=True)]
    settle_names(unit, batch.interests.by_external.values(), batch.interests.wanted)
    joining.store(unit, directory, MERGE_RULE, source_id=context.value_source_id, upload_id=context.upload_id)
    if context.options.mode == words.REPLACE_ALL:
        context.seen.update(batch.seen)
    for who, outcome in zip(read, outcomes, strict=True):
        if isinstance(who, Identity) and who.spelled is not None:
            corrections.write_back(unit, context, who, outcome)
    return outcomes


def _read(unit: Unit, context: ImportContext, records: Records) -> list[Identity | Problem]:
    """Whom each record names, or why nobody; whoever was erased stays so (ID-35)."""
    return erased.withheld(unit, context.integration_id, [read_identity(record, context.reading) for record in records])


def _record(unit: Unit, context: ImportContext, done: Done, others: Sequence[Outcome], records: Records,
            indexes: Sequence[int]) -> None:
    """Logs the decisions (ID-78); of a dry run only what a sender must correct, without a person."""
    if context.options.dry_run:
        others = [replace(outcome, subscriber_id=None) for outcome in others if outcome.problem is not None]
    else:
        record_created(unit, context, done, records, indexes)
    others = [replace(outcome, remote_id=None, email=None) if outcome.status == words.SUPPRESSED else outcome
              for outcome in others]  # nothing of who was erased is stored again (ID-35)
    decisions.record(unit.connection, unit.brand_id, upload_id=context.upload_id, actor=unit.actor.label,
                     door=unit.actor.door, now=unit.now, outcomes=with_old_mains(others))
