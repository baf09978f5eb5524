"""Who will get this mailing? Counts as of now, and the freeze that decides for good (SEND-7, SEND-8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.db.queries import accounts, locks
from gateway.db.queries import audience as queries
from gateway.db.queries.audience import Audience
from gateway.db.queries.instances import StoredInstance
from gateway.db.queries.mailings import StoredMailing
from gateway.db.unit import Unit
from gateway.domain import delivery
from gateway.domain.mailing import frequency_cap


@dataclass(frozen=True, slots=True)
class AudienceCount:
    """How many a mailing would reach now; ``left_out`` by reason, in the order of SEND-8."""

    recipients: int
    left_out: dict[str, int]


def freeze(unit: Unit, mailing: StoredMailing, instance: StoredInstance, urls: Sequence[str]) -> int:
    """Writes the instance's delivery rows and links, and answers how many persons there are.

    To be called once, in the transaction of the instance's step to ``sending``; commits nothing.
    """
    locks.lock_brand(unit.connection, unit.brand_id)  # two instances at once must each see whom the other mails
    queries.freeze_links(unit.connection, unit.brand_id, instance.instance_id, urls)
    return queries.freeze(unit.connection, _rule(unit, mailing, instance.audience, instance.instance_id),
                          instance.instance_id, unit.now)


def count(unit: Unit, mailing: StoredMailing, only: str | None = None) -> AudienceCount:
    """What :func:`freeze` would decide now, for everybody or for one of ``AUDIENCES``; reads only."""
    found = queries.count(unit.connection, _rule(unit, mailing, only), unit.now)
    left_out = {reason: found[reason] for reason in delivery.REASONS if reason in found}
    return AudienceCount(found.get(None, 0), left_out)


def judge(unit: Unit, mailing: StoredMailing, subscriber_ids: Sequence[int],
          instance: StoredInstance | None = None) -> dict[int, str | None]:
    """What :func:`freeze` would decide now about these records: the reason, None for a recipient, absent for who is in
    none of the mailing's interests; reads only."""
    rule = _rule(unit, mailing) if instance is None else _rule(unit, mailing, instance.audience, instance.instance_id)
    return queries.judge(unit.connection, rule, subscriber_ids, unit.now)


def _rule(unit: Unit, mailing: StoredMailing, only: str | None = None, instance_id: int | None = None) -> Audience:
    cap = frequency_cap(accounts.brand_settings(unit.connection, unit.brand_id))
    return Audience(unit.brand_id, mailing.mailing_id, mailing.draft.include_orphans, only, instance_id, cap)
