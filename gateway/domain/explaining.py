"""Why does a value count, how is a membership, and what do the facts about a person say in plain words? (ID-36..48)"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

from gateway.domain import delivery as states
from gateway.domain import explanation as words
from gateway.domain.explanation import AddressAnswer, Change, FieldAnswer, SourceValue
from gateway.domain.merge import Rank, Value, effective
from gateway.domain.people import Document

_MODES = {
    words.REMOTE_ID: "known by the remote ID of each integration; the address may repeat and change",
    words.EMAIL_ONLY: "known by the address alone, for it has no remote ID",
    words.IMIS_ID: "known by the iMIS ID alone; the address may repeat and change",
    words.ONE_TO_MANY: "the one main record of its address; remote keys are links to it",
}


def mode_of(*, is_main: bool, one_to_many: bool, keyless: bool, legacy: bool) -> tuple[str, str]:
    """The mode of a record (ID-1..4) and its sentence. ``is_main`` counts while the brand is One-to-Many."""
    if is_main and one_to_many:
        mode = words.ONE_TO_MANY
    elif keyless:
        mode = words.EMAIL_ONLY
    else:
        mode = words.IMIS_ID if legacy else words.REMOTE_ID
    return mode, _MODES[mode]


def field_answers(documents: Mapping[int, Document], rank: Rank, labels: Mapping[int, str],
                  waiting: Mapping[str, str] | None = None) -> tuple[FieldAnswer, ...]:
    """Every field with every source's value, by name; what counts is decided where it always is (ID-36).

    ``waiting``: field -> the value that an open writeback carries, which comes before all others.
    """
    by_source = {source_id: effective({source_id: document}, rank) for source_id, document in documents.items()}
    counting = effective(documents, rank)
    return tuple(_field(name, counting[name], [each[name] for each in by_source.values() if name in each], rank,
                        labels, (waiting or {}).get(name)) for name in sorted(counting))


def _field(name: str, winner: Value, given: Sequence[Value], rank: Rank, labels: Mapping[int, str],
           waiting: str | None) -> FieldAnswer:
    ordered = sorted(given, key=lambda each: (each.source_id != winner.source_id, rank(each.source_id)))
    values = tuple(SourceValue(labels[each.source_id], each.text, dt.datetime.fromisoformat(each.changed_at),
                               waiting is None and each.source_id == winner.source_id) for each in ordered)
    if waiting is not None:
        return FieldAnswer(name, waiting, words.WRITEBACK, "A change made here is on its way to the foreign system and "
                                                           "comes first until it is there.", values)
    source = labels[winner.source_id]
    rivals = [each for each in given if each.source_id != winner.source_id]
    if not rivals:
        return FieldAnswer(name, winner.text, words.ONLY_SOURCE, f"Only {source} gives a value.", values)
    ties = [labels[each.source_id] for each in rivals if rank(each.source_id) == rank(winner.source_id)]
    if ties:
        return FieldAnswer(
            name, winner.text, words.NEWEST, f"{source} and {', '.join(dict.fromkeys(ties))} stand alike in the "
            f"brand's list of sources; the value of {source} is the newest.", values)
    others = ", ".join(dict.fromkeys(labels[each.source_id] for each in ordered[1:]))
    return FieldAnswer(name, winner.text, words.PRIORITY, f"{source} comes before {others} in the brand's list of "
                                                          "sources.", values)


def membership_state(now: dt.datetime, *, until: dt.datetime | None, begins_at: dt.datetime | None,
                     ends_at: dt.datetime | None, has_left: bool) -> str:
    """ended, left, resting or open, the first that holds (ID-38, ID-39, PUSH-23)."""
    if until is not None and until <= now:
        return words.ENDED
    if has_left:
        return words.LEFT
    if (begins_at is not None and begins_at > now) or (ends_at is not None and ends_at <= now):
        return words.RESTING
    return words.OPEN


def changes_of(stored: Mapping[str, tuple[str | None, str | None]]) -> tuple[Change, ...]:
    """The changes of a stored decision, by name."""
    return tuple(Change(name, old, new) for name, (old, new) in stored.items())


def difference(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[Change, ...]:
    """What is different between two pictures of a person, in order of names."""
    return tuple(Change(name, before.get(name), after.get(name)) for name in sorted(before.keys() | after.keys())
                 if before.get(name) != after.get(name))




def address_sentence(answer: AddressAnswer) -> str:
    """What is known of an address by itself."""
    known = []
    if answer.opted_out_at is not None:
        known.append(f"opted out ({answer.opt_out_origin or 'origin unknown'}) since {day(answer.opted_out_at)}")
    if answer.bounced_at is not None:
        known.append(f"bad since {day(answer.bounced_at)} ({answer.bounce_code or 'bounced'})")
    if answer.erased:
        known.append("of a person who was erased on request; a record that brings it is not stored")
    records = {0: "no record has it", 1: "one record has it"}.get(answer.records, f"{answer.records} records have it")
    return f"The address is {' and '.join(known)}; {records}." if known else (
        f"Nothing is known against the address; {records}.")


_DELIVERY = {
    states.QUEUED: (None, "It waits to be sent."),
    states.CLAIMED: (None, "It is being sent now."),
    states.DEFERRED: (None, "The mail server put it off for now; it is tried again."),
    states.IN_DOUBT: (None, "It may have been sent: the connection broke off before the mail server's answer came."),
    states.ACCEPTED: (True, "The mail server took it."),
    states.REFUSED: (False, "The mail server refused it."),
    states.EXPIRED: (False, "The mail server put it off until it was too old."),
    states.CANCELLED: (False, "The mailing was cancelled before it was sent."),
}


def delivery_answer(state: str, reason: str | None) -> tuple[bool | None, str]:
    """Whether a stored delivery reached the person (None: not decided), and its sentence."""
    if state == states.LEFT_OUT:
        return False, f"It was left out: {REASONS.get(reason or '', reason or 'no reason is stored')}."
    return _DELIVERY.get(state, (None, f"Its delivery is {state}."))


REASONS = {
    states.EXCLUDED_INTEREST: "it is in an interest that the mailing excludes",
    states.INVALID_ADDRESS: "it has no address that can be mailed",
    states.ORPHAN: "it is an orphan",
    states.UNSUBSCRIBED: "the address or the record is opted out",
    states.REMOTE_FLAG: "an integration's do-not-email flag sits at the address",
    states.BAD_EMAIL: "the address bounced and counts as bad",
    states.RECEIVED_BEFORE: "the mailing was sent to it before",
    states.OPENED_BEFORE: "the mailing was opened before",
    states.NOT_RECEIVED: "it did not get the mailing before",
    states.NOT_FAILED: "the mailing was not sent to it in vain before",
    states.FREQUENCY_CAP: "the address has had as many mailings as the brand allows",
    states.DUPLICATE_ADDRESS: "another record of the same address gets the copy",
    states.PERSONALISATION_MISSING: "a field that the mailing needs was empty",
    states.ERASED: "the person was erased on request",
    words.NOT_TARGETED: "it is in none of the mailing's interests",
    words.MERGED: "it was merged into another record",
}
"""Reasons of SEND-8, and of who is not in the audience at all, as half sentences."""


def day(moment: dt.datetime) -> str:
    """An instant as sentences show it: date and minute, UTC."""
    return moment.strftime("%Y-%m-%d %H:%M UTC")
