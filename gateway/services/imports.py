"""How do records become subscribers? The one way in for every door (identity.md, PUSH-51..56).

A synchronous call is :func:`import_records`. A job or a sync makes its context once (:func:`prepare`),
applies chunk after chunk (:func:`apply_chunk`) and ends with :func:`finish`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial

from gateway.db.queries import (
    batches,
    decisions,
    events,
    fields,
    identities,
    interests,
    locks,
    own_interests,
    people_write,
)
from gateway.db.unit import Unit
from gateway.domain import records as words
from gateway.domain.addresses import holds_forbidden, normalise, normalise_remote_id
from gateway.domain.applying import apply_record
from gateway.domain.batch import Batch, note, read_identity
from gateway.domain.events import MERGED, NewEvent
from gateway.domain.fields import fold
from gateway.domain.identity import Identity
from gateway.domain.interests import Interests
from gateway.domain.merge import NATIVE
from gateway.domain.people import Directory
from gateway.domain.records import BatchReport, Counters, ImportOptions, Outcome, Problem, SubscriberRecord
from gateway.domain.values import CREATE, Catalogue, Field
from gateway.errors import GatewayError
from gateway.services.importcontext import ImportContext, check_options, prepare, sender_of, undone_if
from gateway.services.interests import resolve_names
from gateway.services.own_interests import own_interest_maker
from gateway.services.subscribers import rank_of

__all__ = ["ImportContext", "apply_chunk", "check_options", "end_links", "finish", "import_records", "open_upload",
           "options_as_json", "prepare", "recognise", "trim"]

BRAKE_SHARE, BRAKE_ROWS = 0.10, 10  # ID-70
_DELETED = SubscriberRecord(deleted=True)


def import_records(unit: Unit, records: Sequence[SubscriberRecord], options: ImportOptions) -> BatchReport:
    """Applies a synchronous batch of at most 1,000 records in the caller's unit (PUSH-31, SOAP-39).

    Every record has its own outcome, in the order sent; a failed one changes nothing. A dry run answers
    as usual and leaves only the upload. Raises ``NOT_ALLOWED``, ``TOO_MANY_RECORDS``, ``LIST_UNKNOWN``,
    ``INVALID_REQUEST``, ``NOT_FOUND`` (integration) or ``BRAKE_HELD``; then nothing may be committed.
    """
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
        outcomes = _apply(unit, context, records, 0)
        finish(unit, context)
    _record(unit, context, outcomes)
    counters = Counters()
    for outcome in outcomes:
        counters.add(outcome)
    batches.close_upload(unit.connection, unit.brand_id, upload_id, asdict(counters), counters.received,
                         counters.failed)
    return BatchReport(counters, trim(outcomes, options.detail), unit.actor.request_id, unit.now, options.dry_run)


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
    return {"mode": options.mode, "interests": list(options.interests), "emptyValue": options.empty_value,
            "dryRun": options.dry_run, "detail": options.detail}


def apply_chunk(unit: Unit, context: ImportContext, records: Sequence[SubscriberRecord],
                first_index: int) -> list[Outcome]:
    """Applies the records of one chunk, whose first is number ``first_index`` of the upload, and logs the decisions.

    The result does not depend on how an upload is cut into chunks (ID-P2). Nothing is committed here.
    """
    locks.lock_brand(unit.connection, unit.brand_id)
    with undone_if(unit, context.options.dry_run):
        outcomes = _apply(unit, context, records, first_index)
    _record(unit, context, outcomes)
    return outcomes


def recognise(unit: Unit, context: ImportContext, records: Sequence[SubscriberRecord]) -> None:
    """Adds the people whom these records name to ``context.seen``; changes nothing. For resuming a ReplaceAll."""
    read = [read_identity(record, context.max_email) for record in records]
    batch = _batch(unit, context, records, _picture(unit, context, records, read))
    for record, who in zip(records, read, strict=True):
        note(batch, record, who)
    context.seen |= batch.seen


def finish(unit: Unit, context: ImportContext, *, released: bool = False) -> int:
    """Ends a complete upload. ReplaceAll: this source's other members leave the named interests (PUSH-55).

    Answers how many memberships ended. Raises ``BRAKE_HELD`` when more than a tenth and more than 10
    would (ID-70), unless an administrator ``released`` it.
    """
    if context.options.mode != words.REPLACE_ALL:
        return 0
    locks.lock_brand(unit.connection, unit.brand_id)
    named = resolve_names(unit, context.options.interests, context.may_create_interests)
    members = interests.other_members(unit.connection, unit.brand_id, list(named.values()), context.value_source_id,
                                      NATIVE)
    leaving = [row_id for row_id, subscriber_id in members if subscriber_id not in context.seen]
    if len(leaving) > BRAKE_ROWS and len(leaving) > BRAKE_SHARE * len(members) and not released:
        raise GatewayError("BRAKE_HELD", f"{len(leaving)} of {len(members)} memberships would end. Check that the "
                                         "list is complete; an administrator can release it.", field="mode")
    interests.end_memberships(unit.connection, unit.brand_id, leaving, unit.now)
    return len(leaving)


def end_links(unit: Unit, context: ImportContext, remote_ids: Sequence[str]) -> list[Outcome]:
    """Ends these links of the sender's integration (ID-32): people leave its interests, and who has no other
    link becomes an orphan, with status, flag and history kept. Ending one twice changes nothing.
    """
    locks.lock_brand(unit.connection, unit.brand_id)
    named = [Identity(remote_id, None) for remote_id in remote_ids]
    with undone_if(unit, context.options.dry_run):
        directory = _picture(unit, context, (), named, with_memberships=True)
        batch = _batch(unit, context, (), directory)
        outcomes = [apply_record(batch, at, _DELETED, Identity(who.remote_id, None, deleted=True))
                    for at, who in enumerate(named)]
        _write(unit, context, directory)
    _record(unit, context, outcomes)
    return outcomes


def _apply(unit: Unit, context: ImportContext, records: Sequence[SubscriberRecord],
           first_index: int) -> list[Outcome]:
    names_interests = bool(context.options.interests) or any(
        r.whole or r.deleted or r.add_interests or r.remove_interests for r in records)
    read = [read_identity(record, context.max_email) for record in records]
    directory = _picture(unit, context, records, read, with_memberships=names_interests)
    batch = _batch(unit, context, records, directory)
    outcomes = [apply_record(batch, first_index + at, record, who)
                for at, (record, who) in enumerate(zip(records, read, strict=True))]
    _write(unit, context, directory)
    context.seen |= batch.seen
    return outcomes


def _write(unit: Unit, context: ImportContext, directory: Directory) -> None:
    people_write.write_people(unit.connection, unit.brand_id, list(directory.touched.values()), directory.merges,
                              context.value_source_id, unit.now)
    for merged in directory.merges:
        events.add(unit.connection, unit.brand_id, NewEvent(
            MERGED, unit.now, f"merge:{context.upload_id}:{merged.loser_id}", subscriber_id=merged.survivor_id,
            remote_id=merged.remote_id, address=merged.email, raw={"mergedId": merged.loser_id}), unit.now)


def _picture(unit: Unit, context: ImportContext, records: Sequence[SubscriberRecord],
             read: Sequence[Identity | Problem], *, with_memberships: bool = False) -> Directory:
    """Everything that is known of the keys and addresses that these records name."""
    remote_ids: set[str] = set()
    emails: set[str] = set()
    for who in read:
        if isinstance(who, Identity):
            if who.remote_id is not None:
                remote_ids.add(who.remote_id)
            if who.email is not None:
                emails.add(who.email)
    for record in (record for record, who in zip(records, read, strict=False) if isinstance(who, Problem)):
        _add_readable(record, context.max_email, remote_ids, emails)
    found = identities.people(unit.connection, unit.brand_id, context.integration_id, remote_ids, emails)
    if found and with_memberships:
        identities.add_memberships(unit.connection, found, context.value_source_id)
    directory = Directory(context.integration_id, _ids(unit, len(read)).__next__, context.may_change_addresses)
    for person in found.values():
        directory.add(person)
    directory.facts = identities.address_facts(unit.connection, unit.brand_id, emails | directory.at_address.keys())
    return directory


def _add_readable(record: SubscriberRecord, max_email: int, remote_ids: set[str], emails: set[str]) -> None:
    """A record that fails may still name somebody, whom ReplaceAll then keeps."""
    remote_id = normalise_remote_id(record.remote_id)
    if isinstance(remote_id, str):
        remote_ids.add(remote_id)
    email = normalise(record.email, max_email) if record.email else None
    if isinstance(email, str):
        emails.add(email)


def _ids(unit: Unit, count: int) -> Iterator[int]:
    """Fresh subscriber ids, asked for in one go when the first is needed."""
    yield from identities.new_ids(unit.connection, count)


def _batch(unit: Unit, context: ImportContext, records: Sequence[SubscriberRecord], directory: Directory) -> Batch:
    creates = context.unknown_field == CREATE
    return Batch(
        directory=directory,
        catalogue=Catalogue(context.fields, context.unknown_field, _field_maker(unit) if creates else None),
        interests=_interests(unit, context, records),
        mode=context.options.mode, empty_value=context.options.empty_value, upload_id=context.upload_id,
        now=unit.now, value_source_id=context.value_source_id, upload_source_id=context.upload_source_id,
        source_names={row.source_id: row.label for row in context.sources.values()}, rank=rank_of(context.sources),
        max_email=context.max_email)


def _interests(unit: Unit, context: ImportContext, records: Sequence[SubscriberRecord]) -> Interests:
    """The interests that the call and the records name; read anew for each chunk, for a dry run undoes what it made."""
    creating = context.may_create_interests
    call = resolve_names(unit, context.options.interests, creating and context.options.mode != words.REMOVE)
    names = {name.strip() for record in records for name in (*record.add_interests, *record.remove_interests)
             if not holds_forbidden(name)}
    found = Interests(interests.by_name(unit.connection, unit.brand_id, names) | call,
                      _interest_maker(unit) if creating else None, tuple(call.values()))
    groups = {group.external_id.strip() for record in records for group in record.groups
              if not holds_forbidden(group.external_id)}
    if groups:
        found.by_external = own_interests.by_external(unit.connection, unit.brand_id, context.integration_id, groups)
        owner = context.sources[context.value_source_id].name
        found.create_own = own_interest_maker(unit, context.integration_id, owner) if creating else None
        found.rename = partial(own_interests.rename, unit.connection, unit.brand_id)
    return found


def _field_maker(unit: Unit) -> Callable[[str], Field]:
    def make(name: str) -> Field:
        made = Field(name.strip(), "text", words.MAX_VALUE)
        row = {"name": made.name, "folded": fold(made.name), "kind": made.kind}
        fields.add(unit.connection, unit.brand_id, [row], unit.now)
        return fields.of_brand(unit.connection, unit.brand_id)[fold(name)]  # another upload may have been first
    return make


def _interest_maker(unit: Unit) -> Callable[[str], int]:
    return lambda name: interests.add(unit.connection, unit.brand_id, name, None, False, unit.now)


def _record(unit: Unit, context: ImportContext, outcomes: Sequence[Outcome]) -> None:
    """Logs the decisions (ID-78); of a dry run only what a sender must correct, without a person."""
    if context.options.dry_run:
        outcomes = [replace(outcome, subscriber_id=None) for outcome in outcomes if outcome.problem is not None]
    decisions.record(unit.connection, unit.brand_id, upload_id=context.upload_id, actor=unit.actor.label,
                     door=unit.actor.door, now=unit.now, outcomes=outcomes)
