"""What may be done with a mailing? Create, change, look, schedule, cancel (SOAP-54..60, sending.md section 1)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import fields, replace

from gateway.db.queries import instances
from gateway.db.queries import mailings as queries
from gateway.db.queries.instances import StoredInstance
from gateway.db.queries.mailings import StoredMailing
from gateway.db.unit import Unit
from gateway.domain import addresses
from gateway.domain import mailing as rules
from gateway.domain.mailing import InstanceView, MailingDraft, MailingFilter, MailingView, Preview
from gateway.domain.paging import Page, PageRequest
from gateway.domain.records import Identifier, Problem
from gateway.errors import GatewayError
from gateway.services import audience, compose, interests, sending
from gateway.services.paging import close_page, open_window

SHOWN_INSTANCES = 100
PAST_TOLERANCE = dt.timedelta(minutes=5)
SAMPLE_ADDRESS = "recipient@example.org"


def create(unit: Unit, draft: MailingDraft) -> MailingView:
    """Stores a mailing as draft, in the caller's unit; its warnings name unknown merge tags and the like.

    Raises ``INVALID_REQUEST``, ``FIELD_TOO_LONG``, ``INVALID_CHARACTER``, ``INVALID_EMAIL`` or ``INVALID_VALUE``
    with the field, ``LIST_UNKNOWN`` for an interest that is not there.
    """
    unit.actor.require("send")
    draft, warnings = _checked(unit, draft)
    mailing_id = queries.add(unit.connection, unit.brand_id, draft, state=rules.DRAFT, created_by=unit.actor.label,
                             now=unit.now)
    _set_interests(unit, mailing_id, draft)
    return replace(get(unit, mailing_id), warnings=warnings)


def update(unit: Unit, mailing_id: int, changes: Mapping[str, object]) -> MailingView:
    """Changes members of a draft by their names in ``MailingDraft``; what is not named stays.

    Raises ``NOT_FOUND``; ``STATE_CONFLICT`` unless the mailing is a draft; else as :func:`create`.
    """
    unit.actor.require("send")
    mailing = _mailing(unit, mailing_id, lock=True)
    rules.next_state(rules.MAILING_STEPS, "mailing", mailing.state, "change")
    unknown = sorted(set(changes) - {member.name for member in fields(MailingDraft)})
    if unknown:
        raise GatewayError("INVALID_REQUEST", f"A mailing has no '{unknown[0]}'.", field=unknown[0])
    draft, warnings = _checked(unit, replace(mailing.draft, **changes))
    queries.change(unit.connection, unit.brand_id, mailing_id, draft, unit.now)
    _set_interests(unit, mailing_id, draft)
    return replace(get(unit, mailing_id), warnings=warnings)


def get(unit: Unit, mailing_id: int) -> MailingView:
    """The mailing with its newest 100 instances. Raises ``NOT_FOUND``."""
    return _views(unit, [_mailing(unit, mailing_id)])[0]


def find(unit: Unit, wanted: MailingFilter, request: PageRequest) -> Page[MailingView]:
    """A page of mailings in order of creation. The first page needs ``gateway.feed``.

    Raises ``INVALID_TOKEN`` or ``INVALID_VALUE`` for a bad page.
    """
    window = open_window(unit, "mailings", wanted, request)
    rows = queries.find(unit.connection, unit.brand_id, wanted, window)
    page = close_page(unit, "mailings", wanted, window, rows, lambda row: (row.created_at, row.mailing_id))
    return Page(tuple(_views(unit, list(page.items))), page.next_token, page.as_of)


def preview(unit: Unit, mailing_id: int, who: Identifier | None = None) -> Preview:
    """The message as ``who`` (else: nobody in particular) would get it, and the audience as of now. Reads only.

    Raises ``NOT_FOUND`` for the mailing or the person, ``AMBIGUOUS_EMAIL``.
    """
    mailing = _mailing(unit, mailing_id)
    prepared = compose.prepare(unit, mailing.draft, 0)
    message = compose.rendered(prepared, compose.NO_DELIVERY, SAMPLE_ADDRESS, compose.sample_values(unit, who))
    counts = audience.count(unit, mailing)
    return Preview(message.subject, message.html, message.text, message.size_bytes, counts.recipients,
                   counts.left_out, compose.warnings(unit, prepared))


def schedule(unit: Unit, mailing_id: int, send_at: dt.datetime, not_after: dt.datetime | None = None,
             again: bool = False) -> InstanceView:
    """Makes an instance that is sent at ``send_at``, and rings for it.

    Raises ``NOT_FOUND``; ``INVALID_VALUE`` for a time more than 5 minutes ago, a ``not_after`` before it, or a mailing
    without interests; ``STATE_CONFLICT`` when the mailing is released, which is when an instance of it
    waits, runs or has sent something, and ``again`` is not said (SEND-4).
    """
    unit.actor.require("send")
    mailing = _mailing(unit, mailing_id, lock=True)
    _check_times(unit, send_at, not_after)
    if not mailing.draft.interests:
        raise GatewayError("INVALID_VALUE", "The mailing names no interest, so it reaches nobody. "
                                            "Give it at least one.", field="interest")
    if mailing.state == rules.RELEASED and not again:
        newest = instances.of_mailings(unit.connection, unit.brand_id, [mailing_id])[0]
        raise GatewayError("STATE_CONFLICT", f"The mailing has an instance already; the newest is in state "
                                             f"'{newest.state}'. Say again=true to send it once more.", field="again")
    state = rules.next_state(rules.MAILING_STEPS, "mailing", mailing.state, "release")
    queries.set_state(unit.connection, unit.brand_id, mailing_id, state, unit.now)
    instance_id = instances.add(unit.connection, unit.brand_id, mailing_id, send_at=send_at, not_after=not_after,
                                created_by=unit.actor.label, now=unit.now)
    unit.ring("run_instance", unit.brand_id, instance_id, delay_s=max(0.0, (send_at - unit.now).total_seconds()))
    warnings = compose.warnings(unit, compose.prepare(unit, mailing.draft, instance_id))
    return replace(get_instance(unit, instance_id), warnings=warnings)


def send(unit: Unit, mailing_id: int, not_after: dt.datetime | None = None, again: bool = False) -> InstanceView:
    """:func:`schedule` for now."""
    return schedule(unit, mailing_id, unit.now, not_after, again)


def cancel(unit: Unit, instance_id: int) -> InstanceView:
    """Ends an instance for good; what is out is out. Final when it is answered; repeating it changes nothing.

    Raises ``NOT_FOUND``; ``STATE_CONFLICT`` for one that was sent.
    """
    unit.actor.require("send")
    instance = _instance(unit, instance_id, lock=True)
    sending.cancel_rows(unit, instance, "cancel", reason=None)
    return get_instance(unit, instance_id)


def get_instance(unit: Unit, instance_id: int) -> InstanceView:
    """The instance with its counts by state. Raises ``NOT_FOUND``."""
    instance = _instance(unit, instance_id)
    return _instance_view(instance, instances.counts(unit.connection, unit.brand_id, [instance_id]))


# --- parts -----------------------------------------------------------------------------------------------------


def _checked(unit: Unit, draft: MailingDraft) -> tuple[MailingDraft, tuple[Problem, ...]]:
    """The draft with its addresses in their stored form, and its warnings; raises for what cannot be stored."""
    rules.check_texts(draft)
    draft = replace(draft, from_address=_address(draft.from_address, "fromAddress"),
                    reply_to=_address(draft.reply_to, "replyTo") if draft.reply_to else None)
    return draft, compose.warnings(unit, compose.prepare(unit, draft, 0))


def _address(text: str, field_name: str) -> str:
    found = addresses.normalise(text)
    if isinstance(found, Problem):
        raise GatewayError(found.code, found.message, field=field_name)
    return found


def _set_interests(unit: Unit, mailing_id: int, draft: MailingDraft) -> None:
    queries.set_interests(unit.connection, unit.brand_id, mailing_id,
                          _interest_ids(unit, draft.interests, "interest"),
                          _interest_ids(unit, draft.exclude_interests, "excludeInterest"))


def _interest_ids(unit: Unit, names: tuple[str, ...], field_name: str) -> list[int]:
    try:
        return list(interests.resolve_names(unit, names, create_missing=False).values())
    except GatewayError as error:  # which of the two lists it was is known here only
        raise GatewayError(error.code, error.message, field=field_name) from None


def _check_times(unit: Unit, send_at: dt.datetime, not_after: dt.datetime | None) -> None:
    if unit.now - send_at > PAST_TOLERANCE:
        raise GatewayError("INVALID_VALUE", "The time is more than 5 minutes in the past. Name a later one, "
                                            "or send now.", field="sendAt")
    if not_after is not None and not_after < max(send_at, unit.now):
        raise GatewayError("INVALID_VALUE", "notAfter lies before the time of sending, so nothing would be sent.",
                           field="notAfter")


def _mailing(unit: Unit, mailing_id: int, *, lock: bool = False) -> StoredMailing:
    found = queries.get(unit.connection, unit.brand_id, mailing_id, lock=lock)
    if found is None:
        raise GatewayError("NOT_FOUND", "There is no mailing of this id.", field="mailingId")
    return found


def _instance(unit: Unit, instance_id: int, *, lock: bool = False) -> StoredInstance:
    found = instances.get(unit.connection, unit.brand_id, instance_id, lock=lock)
    if found is None:
        raise GatewayError("NOT_FOUND", "There is no mailing instance of this id.", field="instanceId")
    return found


def _views(unit: Unit, rows: list[StoredMailing]) -> list[MailingView]:
    ids = [row.mailing_id for row in rows]
    by_mailing: dict[int, list[StoredInstance]] = {}
    for instance in instances.of_mailings(unit.connection, unit.brand_id, ids) if ids else []:
        shown = by_mailing.setdefault(instance.mailing_id, [])
        if len(shown) < SHOWN_INSTANCES:
            shown.append(instance)
    shown_ids = [instance.instance_id for shown in by_mailing.values() for instance in shown]
    counts = instances.counts(unit.connection, unit.brand_id, shown_ids) if shown_ids else {}
    return [MailingView(row.mailing_id, row.draft, row.state, row.created_by, row.created_at, row.changed_at,
                        tuple(_instance_view(one, counts) for one in by_mailing.get(row.mailing_id, ())))
            for row in rows]


def _instance_view(instance: StoredInstance, counts: Mapping[int, Mapping[str, int]]) -> InstanceView:
    return InstanceView(instance.instance_id, instance.mailing_id, instance.state, instance.reason, instance.send_at,
                        instance.not_after, instance.created_at, instance.finished_at,
                        dict(counts.get(instance.instance_id, {})))
