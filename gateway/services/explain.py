"""Who is this, where does each value come from, which rules decided, and would a mailing reach them? (ID-78, ID-79)"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.db.queries import accounts, batches, decisions, suppression, writebacks
from gateway.db.queries import explain as stored
from gateway.db.queries import subscribers as stored_subscribers
from gateway.db.queries.decisions import StoredDecision
from gateway.db.queries.explain import StoredRecord
from gateway.db.unit import Unit
from gateway.domain import erasure
from gateway.domain.accounts import Actor
from gateway.domain.addresses import normalise, normalise_remote_id
from gateway.domain.explaining import address_sentence, changes_of, field_answers, membership_state, mode_of
from gateway.domain.explanation import (
    AddressAnswer,
    Decision,
    Explanation,
    LeftInterest,
    LinkFact,
    MembershipFact,
    OpenWriteback,
    PersonAnswer,
)
from gateway.domain.integration import IMIS_LEGACY
from gateway.domain.records import Identifier, Problem
from gateway.domain.rulebook import meaning
from gateway.domain.suppression import BAD_EMAIL, OPT_OUT, REMOTE_FLAG, status
from gateway.domain.switching import is_one_to_many
from gateway.errors import GatewayError
from gateway.services import forecast, reach
from gateway.services.gateway import Gateway
from gateway.services.integrations import get_by_name
from gateway.services.reach import Facts, Target
from gateway.services.subscribers import brand_rank

MAX_DECISIONS = 100
MAX_PEOPLE = 20


@dataclass(frozen=True, slots=True)
class _Asked:
    """The identifiers, normalised, and whom they name: ``ids`` in the order in which they are answered."""

    who: Identifier
    integration_id: int | None
    ids: tuple[int, ...]


def explain(gateway: Gateway, actor: Actor, who: Identifier, *, mailing_id: int | None = None,
            instance_id: int | None = None, integration: str | None = None) -> Explanation:
    """Everything that is known of a person, and why it is so; changes nothing.

    ``remote_id`` is of the actor's integration, or of the one that is named; of any where there is neither. Several
    records of one address, or of one remote ID, are all explained, the oldest 20 of more. An address or a remote ID
    that nobody has is answered, too. Foreign systems are asked what they list now: that may take two seconds.

    Raises ``NOT_ALLOWED`` without the right ``report`` or ``send``, ``IDENTIFIER_MISSING``, ``IDENTITY_MISMATCH`` (the
    identifiers name different people), ``NOT_FOUND`` (subscriber id, integration, mailing or instance), or what is
    wrong with an identifier.
    """
    if "send" not in actor.scopes:  # who makes mailings may see why somebody gets none
        actor.require("report")
    with gateway.reading(actor) as unit:
        asked = _asked(unit, who, integration)
        target = reach.target_of(unit, mailing_id, instance_id)
        people = [_person(unit, record, target) for record in _records(unit, asked.ids[:MAX_PEOPLE])]
        address = None if asked.who.email is None else _address(unit, asked.who.email)
        unmatched = _unmatched(unit, asked)
        keys = stored.keys(unit.connection, unit.brand_id, [each.subscriber_id for each in people])
        as_of = unit.now
    expected = forecast.next_sync(gateway, actor.brand_id, keys)
    answers = [replace(person, next_sync=tuple(
        expected[key.integration_id, key.remote_id] for key in keys if key.subscriber_id == person.subscriber_id))
        for person in people]
    unknown = asked.who.email is None and asked.who.remote_id is None
    return Explanation(
        who, as_of, tuple(answers), address,
        None if unknown else forecast.next_record(gateway, actor, asked.who, integration),
        tuple(_decision(each) for each in unmatched[:MAX_DECISIONS]), len(unmatched) > MAX_DECISIONS,
        _sentence(answers, len(asked.ids)))


def _asked(unit: Unit, who: Identifier, integration: str | None) -> _Asked:
    remote_id = _checked(normalise_remote_id(who.remote_id))
    email = _checked(normalise(who.email, utf8=True)) if who.email is not None and who.email.strip() else None
    if who.subscriber_id is None and remote_id is None and email is None:
        raise GatewayError("IDENTIFIER_MISSING", "Name a subscriber id, a remote ID or an e-mail address.")
    integration_id = unit.actor.integration_id if integration is None else get_by_name(unit, integration).integration_id
    connection, brand_id = unit.connection, unit.brand_id
    named: list[set[int]] = []
    if who.subscriber_id is not None:
        if not stored.records(connection, brand_id, [who.subscriber_id]):
            raise GatewayError("NOT_FOUND", "Nobody in this brand has this identifier.", field="subscriberId")
        named.append({who.subscriber_id})
    if remote_id is not None:
        named.append(set(stored.holders(connection, brand_id, integration_id, remote_id)))
    if email is not None:
        named.append(set(stored.at_address(connection, brand_id, email)))
    known = [each for each in named if each]
    meant = set.intersection(*known) if known else set()
    if known and not meant:
        raise GatewayError("IDENTITY_MISMATCH", "The identifiers name different people. Send one of them.")
    return _Asked(Identifier(who.subscriber_id, remote_id, email), integration_id, tuple(sorted(meant)))


def _unmatched(unit: Unit, asked: _Asked) -> list[StoredDecision]:
    """What came to nobody, and what was done to an address that nobody has; newest first, one more than is shown."""
    named = (unit.connection, unit.brand_id)
    found = decisions.of_nobody(*named, asked.who.email, asked.who.remote_id, MAX_DECISIONS + 1)
    if not asked.ids:
        found += decisions.of_subscriber(*named, [], asked.who.email, MAX_DECISIONS + 1)
    return sorted(found, key=lambda each: -each.decision_id)


def _records(unit: Unit, ids: Sequence[int]) -> list[StoredRecord]:
    """The records of these ids; a tombstone is followed by its survivor, the last of a chain."""
    found: dict[int, StoredRecord] = {}
    waiting = list(ids)
    while waiting:
        subscriber_id = waiting.pop(0)
        if subscriber_id in found:
            continue
        record = stored.records(unit.connection, unit.brand_id, [subscriber_id])[subscriber_id]
        found[subscriber_id] = record
        if record.merged_into is not None:
            waiting.insert(0, record.merged_into)
    return list(found.values())


def _person(unit: Unit, record: StoredRecord, target: Target) -> PersonAnswer:
    connection, brand_id, subscriber_id = unit.connection, unit.brand_id, record.subscriber_id
    sources = batches.sources(connection, brand_id)
    labels = {source_id: row.label for source_id, row in sources.items()}
    facts = facts_of(unit, record)
    (row,) = stored_subscribers.by_ids(connection, brand_id, [subscriber_id])
    blocking = [name for name, holds in ((OPT_OUT, row.opted_out), (REMOTE_FLAG, row.flagged),
                                         (BAD_EMAIL, row.bounced)) if holds]
    general = reach.verdict(unit, facts, Target())
    found = decisions.of_subscriber(connection, brand_id, [subscriber_id, *facts.tombstones],
                                    record.email if record.merged_into is None else None, MAX_DECISIONS + 1)
    legacy = any(key.identity == IMIS_LEGACY for key in facts.own_keys)
    mode, mode_sentence = mode_of(is_main=record.is_main, keyless=record.keyless, legacy=legacy,
                                  one_to_many=is_one_to_many(accounts.brand_settings(connection, brand_id)))
    documents = stored_subscribers.documents(connection, brand_id, [subscriber_id]).get(subscriber_id, {})
    waiting = {name: value or "" for name, value in writebacks.open_values(
        connection, brand_id, [subscriber_id]).get(subscriber_id, {}).items()}
    return PersonAnswer(
        subscriber_id, record.email, mode, mode_sentence, status(tuple(blocking)), bool(general.reaches),
        labels[record.source_id], labels[record.first_source_id], record.orphan, record.merged_into,
        tuple(facts.tombstones), record.erased_at, record.created_at, record.changed_at, _links(facts),
        field_answers(documents, brand_rank(unit, sources), labels, waiting), _memberships(unit, facts, labels),
        tuple(LeftInterest(each.interest, each.left_at, each.origin)
              for each in stored.left_interests(connection, brand_id, subscriber_id)),
        tuple(_decision(each) for each in found[:MAX_DECISIONS]), len(found) > MAX_DECISIONS,
        general if target.mailing is None else reach.verdict(unit, facts, target),
        tuple(OpenWriteback(each.writeback_id, each.integration, each.remote_id, each.kind, each.state,
                            each.occurred_at, each.message)
              for each in stored.open_writebacks(connection, brand_id, [subscriber_id])), ())


def facts_of(unit: Unit, record: StoredRecord) -> Facts:
    """What is known of a record and of everybody at its address; reads only."""
    connection, brand_id = unit.connection, unit.brand_id
    is_live = record.email is not None and record.merged_into is None
    neighbours = stored.at_address(connection, brand_id, record.email) if is_live and record.email else []
    everybody = list(dict.fromkeys([record.subscriber_id, *neighbours]))
    left = stored.left_interests(connection, brand_id, record.subscriber_id)
    return Facts(
        record, stored.merged_into(connection, brand_id, record.subscriber_id), neighbours,
        stored.keys(connection, brand_id, everybody),
        None if record.email is None else stored.address(connection, brand_id, record.email),
        stored.memberships(connection, brand_id, record.subscriber_id), frozenset(each.interest_id for each in left))


def _links(facts: Facts) -> tuple[LinkFact, ...]:
    return tuple(LinkFact(key.integration, "iMIS ID" if key.identity == IMIS_LEGACY else "remote ID", key.remote_id,
                          key.since, key.ended_at, key.do_not_email, key.flagged_at) for key in facts.own_keys)


def _memberships(unit: Unit, facts: Facts, labels: dict[int, str]) -> tuple[MembershipFact, ...]:
    return tuple(MembershipFact(
        each.interest, labels[each.source_id], each.channel, membership_state(
            unit.now, until=each.until, begins_at=each.begins_at, ends_at=each.ends_at,
            has_left=each.interest_id in facts.left),
        each.since, each.until, each.begins_at, each.ends_at, each.detail) for each in facts.memberships)


def _decision(row: StoredDecision) -> Decision:
    return Decision(
        row.decision_id, row.recorded_at, row.door, row.actor, row.upload_id,
        None if row.row_number is None else row.row_number + 1, row.line, row.subscriber_id, row.remote_id, row.email,
        row.rule, meaning(row.rule), row.status, row.code, row.field, row.message, changes_of(row.changes),
        row.warnings)


def _address(unit: Unit, email: str) -> AddressAnswer:
    connection, brand_id = unit.connection, unit.brand_id
    known = stored.address(connection, brand_id, email)
    digest = erasure.address_hash(unit.keys.derived(erasure.PURPOSE), brand_id, email)
    erased = bool(suppression.suppressed(connection, brand_id, [digest]))
    answer = AddressAnswer(
        email, len(stored.at_address(connection, brand_id, email)), known and known.opted_out_at,
        known and known.opt_out_origin, known and known.opt_out_reason, known and known.bounced_at,
        known and known.bounce_code, erased, "")
    return replace(answer, sentence=address_sentence(answer))


def _sentence(people: Sequence[PersonAnswer], meant: int) -> str:
    if not people:
        return "Nobody in this brand has these identifiers."
    if len(people) == 1:
        return f"This is record {people[0].subscriber_id}, {people[0].mode_sentence}."
    ids = ", ".join(str(each.subscriber_id) for each in people)
    if meant > MAX_PEOPLE:
        return f"{meant} records are meant. These are {ids}; name another one by its remote ID or our id."
    return f"{len(people)} records are meant: {ids}."


def _checked(value: str | Problem | None) -> str | None:
    if isinstance(value, Problem):
        raise GatewayError(value.code, value.message, field=value.field)
    return value
