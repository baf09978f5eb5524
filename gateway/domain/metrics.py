"""Which figures does a report show, and do they add up? (sending.md section 8)"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.domain import delivery
from gateway.domain.bounces import BounceClass
from gateway.domain.tiers import in_words

SETTLES_AFTER = dt.timedelta(hours=24)
MAX_NOTED = 10
NOTE_DOUBT = "Messages in doubt may have arrived; they count neither as sent nor as pending."


@dataclass(frozen=True, slots=True)
class HitCounts:
    """Opens or clicks: ``total`` hits and ``unique`` recipients, people and machines side by side (SEND-52)."""

    total: int = 0
    unique: int = 0
    first_at: dt.datetime | None = None
    total_automated: int = 0
    unique_automated: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of one instance, or the sum over a mailing's instances (SEND-59).

    Every number counts recipients (delivery rows), but ``opens.total`` and ``clicks.total``, which count hits. Figures
    without ``automated`` in their name are people's; the machines' stand beside them. ``settled`` is False until 24 h
    after the last message. ``personalisation``: of mailings with live fields, so many of those sent had them from there
    (ID-76), as ``tiers.told`` writes it.
    """

    instance_ids: tuple[int, ...]
    mailing_id: int
    as_of: dt.datetime
    targeted: int
    left_out: Mapping[str, int]
    pending: int
    in_doubt: int
    cancelled: int
    sent: int
    delivered: int
    bounced_hard: int
    bounced_soft: int
    bounced_block: int
    bounced_other: int
    opens: HitCounts
    clicks: HitCounts
    unsubscribed: int
    complaints: int
    opted_out: int
    settled: bool
    notes: tuple[str, ...] = field(default=())
    personalisation: Mapping[str, int] = field(default_factory=dict)

    @property
    def left_out_total(self) -> int:
        """Everybody who was left out, whatever the reason."""
        return sum(self.left_out.values())

    @property
    def bounced(self) -> int:
        """All bounced recipients."""
        return self.bounced_hard + self.bounced_soft + self.bounced_block + self.bounced_other

    def figures(self) -> dict[str, int]:
        """The counters by the names that every door uses, in the order of sending.md section 8."""
        return {
            "targeted": self.targeted, "leftOut": self.left_out_total, "sent": self.sent, "pending": self.pending,
            "inDoubt": self.in_doubt, "cancelled": self.cancelled, "bouncedHard": self.bounced_hard,
            "bouncedSoft": self.bounced_soft, "bouncedBlock": self.bounced_block, "bouncedOther": self.bounced_other,
            "delivered": self.delivered,
            "opens": self.opens.total, "uniqueOpens": self.opens.unique,
            "opensAutomated": self.opens.total_automated, "uniqueOpensAutomated": self.opens.unique_automated,
            "clicks": self.clicks.total, "uniqueClicks": self.clicks.unique,
            "clicksAutomated": self.clicks.total_automated, "uniqueClicksAutomated": self.clicks.unique_automated,
            "unsubscribed": self.unsubscribed, "complaints": self.complaints, "optedOut": self.opted_out,
        }

    def rates(self) -> dict[str, tuple[int, int]]:
        """Each rate as its two counts, never as a rounded number (sending.md section 8)."""
        return {
            "delivered": (self.delivered, self.sent), "bounced": (self.bounced, self.sent),
            "uniqueOpens": (self.opens.unique, self.delivered), "uniqueClicks": (self.clicks.unique, self.delivered),
            "clicksPerOpen": (self.clicks.unique, self.opens.unique),
        }


@dataclass(frozen=True, slots=True)
class DeliveryCount:
    """How many deliveries are in one state, with one reason (if left out), one bounce class (if bounced), and the same
    tiers (if sent, with live fields)."""

    state: str
    reason: str | None
    bounce_class: str | None
    number: int
    tiers: str | None = None


@dataclass(frozen=True, slots=True)
class EventCounts:
    """What a report needs of the events of its instances."""

    opens: HitCounts = HitCounts()
    clicks: HitCounts = HitCounts()
    unsubscribed: int = 0
    complaints: int = 0
    opted_out: int = 0
    implied_opens: int = 0


def summarise(*, mailing_id: int, instance_ids: tuple[int, ...], as_of: dt.datetime, rows: list[DeliveryCount],
              events: EventCounts, finished_at: dt.datetime | None) -> Report:
    """The report of counted rows; its sums hold by construction (SEND-11, SEND-58).

    ``finished_at`` is when the last of the instances ended; None while one has not.
    """
    by_state = {state: sum(row.number for row in rows if row.state == state) for state in delivery.STATES}
    left_out: dict[str, int] = {}
    bounced = dict.fromkeys([str(word) for word in BounceClass], 0)
    for row in rows:
        if row.state == delivery.LEFT_OUT:
            left_out[row.reason or ""] = left_out.get(row.reason or "", 0) + row.number
        elif row.bounce_class is not None and row.state in delivery.OUT:  # a report may overtake our own answer
            bounced[row.bounce_class] += row.number
    personalisation: dict[str, int] = {}
    for row in rows:
        if row.tiers:
            personalisation[row.tiers] = personalisation.get(row.tiers, 0) + row.number
    sent = sum(by_state[state] for state in delivery.OUT)
    notes = []
    if events.implied_opens:
        notes.append(f"Clicked without an open being seen, each counted as one open: {events.implied_opens}.")
    if by_state[delivery.IN_DOUBT]:
        notes.append(NOTE_DOUBT)
    if personalisation:
        notes.append("Live fields: " + " | ".join(
            f"{in_words(tiers)}: {number}" for tiers, number in _most_first(personalisation)[:MAX_NOTED]))
    return Report(
        instance_ids=instance_ids, mailing_id=mailing_id, as_of=as_of, targeted=sum(row.number for row in rows),
        left_out={reason: left_out[reason] for reason in delivery.REASONS if reason in left_out},
        pending=sum(by_state[state] for state in delivery.OPEN), in_doubt=by_state[delivery.IN_DOUBT],
        cancelled=by_state[delivery.CANCELLED], sent=sent, delivered=sent - sum(bounced.values()),
        bounced_hard=bounced[BounceClass.HARD], bounced_soft=bounced[BounceClass.SOFT],
        bounced_block=bounced[BounceClass.BLOCK], bounced_other=bounced[BounceClass.OTHER],
        opens=events.opens, clicks=events.clicks, unsubscribed=events.unsubscribed, complaints=events.complaints,
        opted_out=events.opted_out, settled=finished_at is not None and as_of - finished_at >= SETTLES_AFTER,
        notes=tuple(notes), personalisation=dict(_most_first(personalisation)))


def _most_first(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
