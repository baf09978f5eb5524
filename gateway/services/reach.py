"""Would a mailing reach this record, and if not: which fact stands against it, since when, and what ends it? (ID-46,
ID-52, SEND-8)

The judgement is the audience's own; here the facts behind it are found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.db.queries import explain as stored
from gateway.db.queries import instances, mailings
from gateway.db.queries.explain import StoredAddress, StoredKey, StoredMembership, StoredRecord
from gateway.db.queries.instances import StoredInstance
from gateway.db.queries.mailings import StoredMailing
from gateway.db.unit import Unit
from gateway.domain import explanation as words
from gateway.domain.delivery import UNSUBSCRIBED
from gateway.domain.explaining import REASONS, day, delivery_answer, membership_state
from gateway.domain.explanation import Blocker, Verdict
from gateway.domain.suppression import COMPLAINT
from gateway.domain.tiers import in_words
from gateway.errors import GatewayError
from gateway.services import audience

_RESUBSCRIBE = "Here: Resubscribe, with the reason why the person wants mail again."
_COMPLAINT = "Here, by an administrator alone: Resubscribe, with a reason, for the person complained of mail as spam."


_EVERYBODY = "In the mailing: send it again to everybody."
_OF_THE_PAST = {
    words.RECEIVED_BEFORE: ("The mailing was sent to the person, or to the address, before.", _EVERYBODY),
    words.OPENED_BEFORE: ("The person, or somebody at the address, opened the mailing.", _EVERYBODY),
    words.NOT_RECEIVED: ("The mailing goes to those who got it and did not open it; this one did not get it.",
                         _EVERYBODY),
    words.NOT_FAILED: ("The mailing goes to those whom it could not reach; to this one it was never sent in vain.",
                       _EVERYBODY),
    words.FREQUENCY_CAP: ("The address has had as many mailings as the brand allows in so many days.",
                          "Nowhere: it ends with time. The brand's frequencyCap says how many."),
}
"""Reasons that come of earlier mailings: what is so, and what ends it (SEND-4, SEND-8)."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked about: an instance, a mailing, or neither."""

    mailing: StoredMailing | None = None
    instance: StoredInstance | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a record, and of everybody at its address (itself among them)."""

    record: StoredRecord
    tombstones: Sequence[int]
    neighbours: Sequence[int]
    keys: Sequence[StoredKey]
    address: StoredAddress | None
    memberships: Sequence[StoredMembership]
    left: frozenset[int]

    @property
    def own_keys(self) -> list[StoredKey]:
        """The record's own remote keys."""
        return [key for key in self.keys if key.subscriber_id == self.record.subscriber_id]


def target_of(unit: Unit, mailing_id: int | None, instance_id: int | None) -> Target:
    """The mailing and instance of these ids; raises ``NOT_FOUND`` for one that is not there or of another mailing."""
    instance = None
    if instance_id is not None:
        instance = instances.get(unit.connection, unit.brand_id, instance_id)
        if instance is None or mailing_id not in (None, instance.mailing_id):
            raise GatewayError("NOT_FOUND", f"There is no mailing instance {instance_id} here.", field="instance")
        mailing_id = instance.mailing_id
    if mailing_id is None:
        return Target()
    mailing = mailings.get(unit.connection, unit.brand_id, mailing_id)
    if mailing is None:
        raise GatewayError("NOT_FOUND", f"There is no mailing {mailing_id} in this brand.", field="mailing")
    own = () if instance is None else instances.interest_names(unit.connection, unit.brand_id, instance.instance_id)
    if own:
        mailing = replace(mailing, draft=replace(mailing.draft, interests=own))
    return Target(mailing, instance)


def verdict(unit: Unit, facts: Facts, target: Target) -> Verdict:
    """Whether the target reaches the record, and every fact that stands against it now; the deciding one first."""
    if target.mailing is None:
        return _in_general(facts)
    if target.instance is not None and target.instance.frozen_at is not None:
        return _as_frozen(unit, facts, target.mailing, target.instance)
    judged = _as_of_now(unit, facts, target.mailing, target.instance)
    if target.instance is None:
        return judged
    state, mailing_id = target.instance.state, target.instance.mailing_id
    sentence = f"The instance is {state} and its audience is not frozen yet. As of now: {judged.sentence}"
    return Verdict(words.INSTANCE, None if judged.reaches else False, sentence, mailing_id,
                   target.instance.instance_id, None, judged.reason, at=unit.now, blockers=judged.blockers)


def blockers(facts: Facts, *, include_orphans: bool = False) -> list[Blocker]:
    """The facts that keep every mailing from the record, one each."""
    record = facts.record
    if record.erased_at is not None:
        return [Blocker(words.ERASED, words.ON_RECORD, "The person was erased on request; nothing personal is kept.",
                        "Nowhere: an erasure cannot be undone.", record.erased_at)]
    if record.merged_into is not None:
        return [Blocker(words.MERGED, words.ON_RECORD,
                        f"The record was merged into {record.merged_into}, which gets the mail instead.",
                        "Here: an administrator may undo the merge within 30 days.",
                        subscriber_id=record.merged_into)]
    found = []
    if record.email is None or "@" not in record.email:
        found.append(Blocker(words.INVALID_ADDRESS, words.ON_RECORD, "The record has no address that can be mailed.",
                             "At its source: send the record again with an address."))
    if record.orphan and not include_orphans:
        found.append(_orphan(facts))
    return [*found, *_opt_outs(facts), *_flags(facts), *_bounce(facts)]


def _in_general(facts: Facts) -> Verdict:
    found = tuple(blockers(facts))
    sentence = "Mail can be sent to it." if not found else f"No mail is sent to it. {found[0].sentence}"
    return Verdict(words.SENDABLE, not found, sentence, reason=found[0].fact if found else None, blockers=found)


def _as_of_now(unit: Unit, facts: Facts, mailing: StoredMailing, instance: StoredInstance | None) -> Verdict:
    record = facts.record
    judged = audience.judge(unit, mailing, [*facts.neighbours, record.subscriber_id], instance)
    general = blockers(facts, include_orphans=mailing.draft.include_orphans)
    if record.merged_into is not None:
        return Verdict(words.MAILING, False, f"It would not get the mailing: {REASONS[words.MERGED]}.",
                       mailing.mailing_id, reason=words.MERGED, at=unit.now, blockers=tuple(general))
    if record.subscriber_id not in judged:
        outside = _outside(unit, facts, mailing)
        return Verdict(words.MAILING, False, f"It would not get the mailing: {REASONS[words.NOT_TARGETED]}.",
                       mailing.mailing_id, reason=words.NOT_TARGETED, at=unit.now, blockers=(outside, *general))
    reason = judged[record.subscriber_id]
    if reason is None:
        return Verdict(words.MAILING, True, "It would get the mailing.", mailing.mailing_id, at=unit.now)
    if reason == words.EXCLUDED_INTEREST:
        general[:0] = _exclusions(unit, facts, mailing)
    elif reason == words.DUPLICATE_ADDRESS:
        first = next(each for each in facts.neighbours if each in judged and judged[each] is None)
        general.insert(0, Blocker(
            words.DUPLICATE_ADDRESS, words.ON_NEIGHBOUR, f"One copy goes to each address, and record {first} gets it.",
            "Nowhere to be undone: the address gets its copy.", subscriber_id=first))
    elif reason in _OF_THE_PAST:
        general.insert(0, Blocker(reason, words.ON_MAILING, *_OF_THE_PAST[reason]))
    deciding = words.OPT_OUT if reason == UNSUBSCRIBED else reason
    general.sort(key=lambda each: each.fact != deciding)
    return Verdict(words.MAILING, False, f"It would not get the mailing: {REASONS.get(reason, reason)}.",
                   mailing.mailing_id, reason=reason, at=unit.now, blockers=tuple(general))


def _as_frozen(unit: Unit, facts: Facts, mailing: StoredMailing, instance: StoredInstance) -> Verdict:
    record, frozen_at = facts.record, instance.frozen_at
    assert frozen_at is not None
    rows = stored.outcomes(unit.connection, unit.brand_id, instance.instance_id,
                           [record.subscriber_id, *facts.tombstones])
    row = rows.get(record.subscriber_id) or next(iter(rows.values()), None)
    now = tuple(blockers(facts, include_orphans=mailing.draft.include_orphans))
    if row is None:
        sentence = (f"It was not in the audience when that was frozen on {day(frozen_at)}: "
                    f"{REASONS[words.NOT_TARGETED]}, or it was made later.")
        return Verdict(words.INSTANCE, False, sentence, mailing.mailing_id, instance.instance_id, None,
                       words.NOT_TARGETED, at=frozen_at, blockers=(_outside(unit, facts, mailing), *now)
                       if record.created_at <= frozen_at and not _is_in(unit, facts, mailing) else now)
    reaches, sentence = delivery_answer(row.state, row.reason)
    if row.subscriber_id != record.subscriber_id:
        sentence += f" The delivery was made for record {row.subscriber_id}, which was merged into this one."
    if row.tiers:
        sentence += f" Its live fields: {in_words(row.tiers)}."
    return Verdict(words.INSTANCE, reaches, sentence, mailing.mailing_id, instance.instance_id, row.state, row.reason,
                   row.code, row.changed_at, now if not reaches else ())


def _orphan(facts: Facts) -> Blocker:
    ended = [key for key in facts.own_keys if key.ended_at is not None]
    last = max(ended, key=lambda key: key.ended_at or key.since, default=None)
    if last is None:
        return Blocker(words.ORPHAN, words.ON_RECORD, "The record is an orphan: it has no live link.",
                       "At its source: its remote ID brings it back. A mailing may also include orphans.")
    return Blocker(words.ORPHAN, words.ON_RECORD, f"The record is an orphan: its last link, {last.remote_id} of "
                                                  f"{last.integration}, has ended.",
                   f"In {last.integration}: the same remote ID brings it back. A mailing may also include orphans.",
                   last.ended_at, f"integration:{last.integration}", integration=last.integration,
                   remote_id=last.remote_id)


def _opt_outs(facts: Facts) -> list[Blocker]:
    found, address, record = [], facts.address, facts.record
    if address is not None and address.opted_out_at is not None:
        found.append(Blocker(words.OPT_OUT, words.ON_ADDRESS, "The address is opted out.",
                             _COMPLAINT if address.opt_out_origin == COMPLAINT else _RESUBSCRIBE,
                             address.opted_out_at, address.opt_out_origin, address.opt_out_reason))
    if record.opted_out_at is not None:
        found.append(Blocker(words.OPT_OUT, words.ON_RECORD, "The record is opted out, whatever address it has.",
                             _COMPLAINT if record.opt_out_origin == COMPLAINT else _RESUBSCRIBE,
                             record.opted_out_at, record.opt_out_origin))
    return found


def _flags(facts: Facts) -> list[Blocker]:
    found = []
    for key in (key for key in facts.keys if key.do_not_email):
        own = key.subscriber_id == facts.record.subscriber_id
        whose = "" if own else f" of record {key.subscriber_id}, which has the same address,"
        undo = f"In {key.integration}: the flag ends when {key.integration} says so."
        if key.ended_at is not None:
            undo += " The link has ended there, so an administrator may clear it here."
        found.append(Blocker(words.REMOTE_FLAG, words.ON_KEY if own else words.ON_NEIGHBOUR,
                             f"{key.integration} set its do-not-email flag on {key.remote_id}{whose}".rstrip(",") + ".",
                             undo, key.flagged_at, f"integration:{key.integration}",
                             subscriber_id=None if own else key.subscriber_id, integration=key.integration,
                             remote_id=key.remote_id))
    return sorted(found, key=lambda each: each.on != words.ON_KEY)


def _bounce(facts: Facts) -> list[Blocker]:
    address = facts.address
    if address is None or address.bounced_at is None:
        return []
    return [Blocker(words.BAD_EMAIL, words.ON_ADDRESS, "The address bounced and counts as bad.",
                    "At the source: a new address starts clean. Or here: Resubscribe, when the address works again.",
                    address.bounced_at, address.bounce_code)]


def _outside(unit: Unit, facts: Facts, mailing: StoredMailing) -> Blocker:
    """Why none of the interests reaches the record."""
    names = mailing.draft.interests
    of_it = [each for each in facts.memberships if each.interest in names]
    if not of_it:
        said = f"It was never in {_one_of(names)}."
    else:
        said = " ".join(dict.fromkeys(_why_not_in(unit, facts, each) for each in of_it))
    return Blocker(words.NOT_TARGETED, words.ON_MAILING, said,
                   "At the source of the membership, or, where the person left, by the person.")


def _why_not_in(unit: Unit, facts: Facts, row: StoredMembership) -> str:
    state = _state(unit, facts, row)
    if state == words.LEFT:
        return f"The person left {row.interest}."
    if state == words.RESTING:
        return f"The membership in {row.interest} rests."
    if state == words.ENDED:
        return f"The membership in {row.interest} ended on {day(row.until or unit.now)}."
    return f"It is in {row.interest} now."


def _exclusions(unit: Unit, facts: Facts, mailing: StoredMailing) -> list[Blocker]:
    return [Blocker(words.EXCLUDED_INTEREST, words.ON_MAILING, f"It is in {row.interest}, which the mailing excludes.",
                    "At the source of the membership, or in the mailing.", row.since)
            for row in facts.memberships
            if row.interest in mailing.draft.exclude_interests and _state(unit, facts, row) == words.OPEN]


def _is_in(unit: Unit, facts: Facts, mailing: StoredMailing) -> bool:
    return any(row.interest in mailing.draft.interests and _state(unit, facts, row) == words.OPEN
               for row in facts.memberships)


def _state(unit: Unit, facts: Facts, row: StoredMembership) -> str:
    return membership_state(unit.now, until=row.until, begins_at=row.begins_at, ends_at=row.ends_at,
                            has_left=row.interest_id in facts.left)


def _one_of(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"any of {', '.join(names)}" if names else "an interest of the mailing"
