"""What does one record of a batch do to the people it touches? (ID-10..19, ID-26..42, PUSH-51..56)

Pure: it changes the picture of :mod:`gateway.domain.people` only. Nothing of it is changed before it is
certain that the record does not fail, so a failed record changes nothing (PUSH-11).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gateway.domain import identity, interests, links, merge, records
from gateway.domain.addresses import printable
from gateway.domain.batch import Batch, note, note_resolved
from gateway.domain.groups import check_groups, replace_groups
from gateway.domain.interests import Interests
from gateway.domain.links import Changes
from gateway.domain.people import Key, Person
from gateway.domain.records import Outcome, Problem, SubscriberRecord
from gateway.domain.resolution import CREATE, END, Identity, Resolution
from gateway.domain.settling import settle
from gateway.domain.suppression import BAD_EMAIL, OPT_OUT, ORPHAN, REMOTE_FLAG
from gateway.domain.values import MAX_FIELDS, Values, read_values

_REMEDIES = {
    OPT_OUT: "unsubscribed here: only Resubscribe ends it",
    REMOTE_FLAG: "a do-not-email flag: the integration that set it must clear it",
    BAD_EMAIL: "bounced: a new address or Resubscribe ends it",
}


_RULES_OF_READING = {"email": "ID-8", "remoteId": "ID-6"}
_RULES_OF_CODES = {"REMOTE_ID_REQUIRED": "ID-1", "IDENTITY_MISMATCH": "ID-71"}
_MAX_UNKNOWN = 20
"""Warnings of unknown fields in one record: who sends two hundred need not be told of each."""

_CORRECTED = "An obvious slip in the address was corrected; correct it in your own data too."


def apply_record(batch: Batch, index: int, record: SubscriberRecord, who: Identity | Problem) -> Outcome:
    """Applies one record to the picture and says what became of it; ``who`` is ``read_identity`` of it."""
    if isinstance(who, Problem):
        note(batch, record, who)
        if who.code == "SUPPRESSED":
            return replace(_failed(index, record, "ID-35", who), status=records.SUPPRESSED)
        rule = _RULES_OF_CODES.get(who.code) or _RULES_OF_READING.get(who.field or "")
        return _failed(index, record, rule, who)
    resolution = identity.resolve(who, batch.directory)
    note_resolved(batch, who, resolution)
    if who.deleted:
        return _delete(batch, index, record, who, resolution)
    skipped = _forbidden_by_mode(batch.mode, resolution)
    if skipped is not None:
        return _outcome(index, record, who, resolution, records.SKIPPED, skipped)
    if resolution.problem is not None:
        return _outcome(index, record, who, resolution, records.FAILED, resolution.problem)
    values = _check(batch, record, who, resolution)
    if isinstance(values, Problem):
        return _outcome(index, record, who, resolution, records.FAILED, values)
    if batch.mode == records.REMOVE and not record.whole:
        return _remove(batch, index, record, who, resolution)
    return _store(batch, index, record, who, resolution, values)


def _delete(batch: Batch, index: int, record: SubscriberRecord, who: Identity, resolution: Resolution) -> Outcome:
    """Ends the link of a record that was deleted over there (ID-32); nobody who is not known is an error (PUSH-22)."""
    person = resolution.person
    if person is None:
        warning = Problem("NOT_FOUND", "Nobody has this remote ID; there is nothing to end.", "remoteId")
        return _outcome(index, record, who, resolution, records.UNCHANGED, None, None, [*record.warnings, warning])
    assert who.remote_id is not None
    changes: Changes = {}
    if not links.end(batch, person, who.remote_id, changes):
        return _outcome(index, record, who, resolution, records.UNCHANGED, None, person)
    batch.touch(person)
    return _outcome(index, record, who, resolution, records.UPDATED, None, person, changes=changes)


def _forbidden_by_mode(mode: str, resolution: Resolution) -> Problem | None:
    """What PUSH-51..54 say to a person who is known, or is not."""
    known = resolution.matched_by is not None
    nobody = resolution.action == CREATE or (resolution.problem is not None
                                             and resolution.problem.code == "EMAIL_MISSING")
    if mode == records.ADD and known and resolution.problem is None:
        return Problem("ALREADY_EXISTS", "The person is known already, and mode Add changes nobody. "
                                         "Use AddOrUpdate.")
    if mode in (records.UPDATE, records.REMOVE) and nobody:
        return Problem("NOT_FOUND", f"The person is not known, and mode {mode} adds nobody.")
    return None


def _check(batch: Batch, record: SubscriberRecord, who: Identity, resolution: Resolution) -> Values | Problem:
    """Everything that can still fail the record, before anything is changed."""
    if record.add_interests or record.remove_interests or record.listed:
        problem = interests.check_names((*record.add_interests, *record.remove_interests, *(record.listed or ())))
        if problem is not None:
            return problem
        if batch.mode == records.REMOVE and record.add_interests:
            return Problem("INVALID_VALUE", "Mode Remove takes people out of interests; it adds to none.", "interests")
    if record.do_not_email and who.remote_id is None and not _keys_to_flag(batch, who, resolution.person):
        return Problem("REMOTE_ID_REQUIRED", "A do-not-email flag sits on a remote ID. Send the remote ID with it, "
                                             "or use Unsubscribe.", "doNotEmail")
    if record.groups:
        problem = check_groups(record.groups)
        if problem is not None:
            return problem
    empty_value = records.CLEAR if record.whole else batch.empty_value
    return read_values(record.values, batch.catalogue, empty_value) if record.values else Values({})


def _remove(batch: Batch, index: int, record: SubscriberRecord, who: Identity, resolution: Resolution) -> Outcome:
    person = resolution.person
    assert person is not None
    warnings = list(record.warnings)
    wanted = set(batch.interests.call)
    for name in record.remove_interests:
        found = batch.interests.find(name)
        if found is None:
            warnings.append(interests.unknown(name))
        else:
            wanted.add(found)
    changed = [merge.leave(person, interest_id, batch.now) for interest_id in sorted(wanted)]
    if any(changed):
        batch.touch(person)
    return _outcome(index, record, who, resolution, records.UPDATED if any(changed) else records.UNCHANGED, None,
                    person, warnings, blocked_by=batch.directory.blockers(person))


def _store(batch: Batch, index: int, record: SubscriberRecord, who: Identity, resolution: Resolution,
           values: Values) -> Outcome:
    changes: Changes = {}
    warnings = list(record.warnings)
    person, status = settle(batch, who, resolution, changes, warnings)
    if person.last_upload_id == batch.upload_id:
        warnings.append(Problem("DUPLICATE_IN_BATCH", "The same upload has already created or changed this person."))
    warnings += [Problem("DUPLICATE_IN_BATCH", "The record gives this field twice; the last value counts.", name)
                 for name in values.doubled]
    given = _with_unknown(batch, record, values, warnings)
    if record.whole:
        given = merge.whole_state(person, batch.value_source_id, given)
    written = merge.write_values(person, batch.value_source_id, given, batch.now) if given else []
    changed = bool(changes) or bool(written)
    if record.do_not_email is not None:
        changed |= _flag(batch, record.do_not_email, who, person, changes)
    if resolution.action != END:
        if batch.interests.call or record.add_interests or record.remove_interests or record.listed is not None:
            changed |= _memberships(batch, record, person, warnings)
        if record.whole:
            changed |= replace_groups(batch, record.groups, person, warnings)
    if changed or person.is_new:
        batch.touch(person)
    if written and len(person.documents) > 1:
        warnings += [Problem("VALUE_NOT_EFFECTIVE", "Stored, but the value of another source comes first.", name)
                     for name in merge.not_effective(person, batch.value_source_id, written, batch.rank)]
    blockers = batch.directory.blockers(person) if resolution.action != END else ()
    _warn_of_status(blockers, warnings)
    if status == records.UNCHANGED and changed:
        status = records.UPDATED
    return _outcome(index, record, who, resolution, status, None, person, warnings, changes, blockers)


def _with_unknown(batch: Batch, record: SubscriberRecord, values: Values,
                  warnings: list[Problem]) -> dict[str, str | None]:
    given, unstored = values.given, []
    for name in values.unknown:
        text = record.values[name]
        if batch.catalogue.create is None or not text:
            unstored.append(Problem("FIELD_UNKNOWN", "There is no such field; the value is not stored.",
                                  name[:records.MAX_NAME]))
            continue
        made = batch.catalogue.find(name) or batch.catalogue.add(name)  # another spelling may have made it
        if made is None:
            unstored.append(Problem("LIMIT_EXCEEDED", f"There is no such field, and data makes no more where a brand "
                                                    f"has {MAX_FIELDS}: not stored.", name[:records.MAX_NAME]))
        else:
            given[made.name] = text.replace("\r\n", "\n").replace("\r", "\n")
    warnings += unstored[:_MAX_UNKNOWN]
    return given


def _keys_to_flag(batch: Batch, who: Identity, person: Person | None) -> list[tuple[str, Key]]:
    """The keys that a do-not-email flag of this sender is about: the one named, or those of the person (ID-45)."""
    if person is None:
        return []
    own = [(remote_id, key) for (integration_id, remote_id), key in person.keys.items()
           if integration_id == batch.directory.integration_id]
    return [(remote_id, key) for remote_id, key in own if who.remote_id in (None, remote_id)]


def _flag(batch: Batch, wanted: bool, who: Identity, person: Person, changes: Changes) -> bool:
    changed = False
    for _, key in _keys_to_flag(batch, who, person):
        if key.flagged == wanted:
            continue
        changes["doNotEmail"] = (str(key.flagged).lower(), str(wanted).lower())
        key.flagged, key.flagged_at = wanted, batch.now if wanted else None
        key.is_changed = changed = True
    return changed


def _memberships(batch: Batch, record: SubscriberRecord, person: Person, warnings: list[Problem]) -> bool:
    """Joins and leaves as the record and the call say; who is to leave does not join first."""
    names = batch.interests
    leaving: dict[int, None] = {}
    for name in record.remove_interests:
        found = names.find(name)
        if found is None:
            warnings.append(interests.unknown(name))
        else:
            leaving[found] = None
    joining = dict.fromkeys(names.call)
    removed = {name.strip() for name in record.remove_interests}
    for name in (*record.add_interests, *(record.listed or ())):
        if name.strip() in removed:
            continue  # not even made: the same record again would leave what it joined
        found = names.find_or_create(name)
        if found is None:
            warnings.append(interests.unknown(name))
        else:
            joining[found] = None
    changed = False
    for interest_id in joining:
        if interest_id in leaving:
            continue
        if interest_id in person.left:
            warnings.append(interests.opted_out(_name_of(names, interest_id)))
        else:
            changed |= merge.join(person, interest_id, batch.now)
    for interest_id in leaving:
        changed |= merge.leave(person, interest_id, batch.now)
    if record.listed is not None:
        changed |= merge.leave_others(person, joining, batch.now)
    return changed


def _name_of(names: Interests, interest_id: int) -> str:
    return next(name for name, found in names.by_name.items() if found == interest_id)


def _warn_of_status(blockers: Sequence[str], warnings: list[Problem]) -> None:
    if not blockers:
        return
    if ORPHAN in blockers:
        warnings.append(Problem("ORPHAN", "The record's last link has ended; it is not mailed until its remote ID "
                                          "comes again."))
    reasons = [_REMEDIES[blocker] for blocker in blockers if blocker != ORPHAN]
    if reasons:
        warnings.append(Problem("NOT_SENDABLE", f"Stored, but not mailed: {'; '.join(reasons)}."))


def _failed(index: int, record: SubscriberRecord, rule: str | None, problem: Problem) -> Outcome:
    return Outcome(index, records.FAILED, rule, None, printable(record.remote_id, records.MAX_REMOTE_ID),
                   printable(record.email, records.MAX_EMAIL), None, problem, record.warnings, {}, record.line)


def _outcome(index: int, record: SubscriberRecord, who: Identity, resolution: Resolution, status: str,
             problem: Problem | None, person: Person | None = None, warnings: list[Problem] | None = None,
             changes: Changes | None = None, blocked_by: tuple[str, ...] = ()) -> Outcome:
    known = person or resolution.person
    told = list(record.warnings if warnings is None else warnings)
    if who.spelled is not None:
        told.append(Problem("ADDRESS_CORRECTED", _CORRECTED, "email"))
        changes = {**(changes or {}), "spelling": (printable(who.spelled, records.MAX_EMAIL), who.email)}
    return Outcome(
        index, status, resolution.rule, None if known is None else known.subscriber_id, who.remote_id,
        who.email or (None if known is None else known.email), resolution.matched_by, problem,
        tuple(told), changes or {}, record.line, blocked_by)
