"""What may be done with a mailing? Create, change, look, schedule, cancel (SOAP-54..60, sending.md section 1)."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Mapping
from dataclasses import fields, replace

from gateway.db.queries import accounts, folders, instances, stories
from gateway.db.queries import files as stored_files
from gateway.db.queries import mailings as queries
from gateway.db.queries.instances import StoredInstance
from gateway.db.queries.mailings import StoredMailing
from gateway.db.unit import Unit
from gateway.domain import addresses, window
from gateway.domain import mailing as rules
from gateway.domain.accounts import Actor
from gateway.domain.delivery import CLAIMED, OPEN
from gateway.domain.mailing import InstanceView, MailingDraft, MailingFilter, MailingView, Preview
from gateway.domain.paging import Page, PageRequest
from gateway.domain.records import Identifier, Problem
from gateway.domain.window import SendWindow
from gateway.errors import GatewayError
from gateway.services import audience, compose, dkim, files, interests, lifecycle
from gateway.services.audience import AudienceCount
from gateway.services.gateway import Gateway
from gateway.services.paging import close_page, open_window

SHOWN_INSTANCES = 100
LET_GO_S, LOOK_S = 5.0, 0.05
"""How long an answer waits for workers to let go of a stopped instance, and how often it looks."""

PAST_TOLERANCE, LONGEST_AHEAD = dt.timedelta(minutes=5), dt.timedelta(days=36525)


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
    if draft.files:
        files.set_files(unit, mailing_id, draft.files)
    return replace(get(unit, mailing_id), warnings=warnings)


def update(unit: Unit, mailing_id: int, changes: Mapping[str, object]) -> MailingView:
    """Changes members of a draft by their names in ``MailingDraft``; what is not named stays.

    A mailing that is looked at or approved is a draft again (SEND-2). Raises ``NOT_FOUND``; ``STATE_CONFLICT`` when it
    is released; else as :func:`create`.
    """
    unit.actor.require("send")
    mailing = _mailing(unit, mailing_id, lock=True)
    state = rules.next_state(rules.MAILING_STEPS, "mailing", mailing.state, "change")
    unknown = sorted(set(changes) - {member.name for member in fields(MailingDraft)})
    if unknown:
        raise GatewayError("INVALID_REQUEST", f"A mailing has no '{unknown[0]}'.", field=unknown[0])
    draft, warnings = _checked(unit, replace(files.with_files(unit, mailing_id, mailing.draft), **changes))
    queries.change(unit.connection, unit.brand_id, mailing_id, draft, unit.actor.label, unit.now)
    queries.set_state(unit.connection, unit.brand_id, mailing_id, state, unit.actor.label, unit.now)
    _set_interests(unit, mailing_id, draft)
    if (draft.html, draft.text) != (mailing.draft.html, mailing.draft.text):
        stories.forget(unit.connection, unit.brand_id, mailing_id)
    if "files" in changes:
        files.set_files(unit, mailing_id, draft.files)
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


def preview(unit: Unit, mailing_id: int, who: Identifier | None = None, audience_: str | None = None) -> Preview:
    """The message as ``who`` (else: nobody in particular) would get it, and the audience as of now: everybody, or one
    of ``AUDIENCES``. Reads only. Its links lead where the author's do: there is no delivery to count a click for.

    Raises ``NOT_FOUND`` for the mailing or the person, ``AMBIGUOUS_EMAIL``, ``INVALID_VALUE`` for the audience.
    """
    mailing = _mailing(unit, mailing_id)
    _check_audience(audience_)
    draft = files.with_files(unit, mailing_id, mailing.draft)
    prepared = compose.prepare(unit, draft, 0)
    values = compose.sample_values(unit, who, prepared)
    size_bytes = compose.rendered(prepared, values).size_bytes
    shown = compose.rendered(compose.prepare(unit, compose.untracked(draft), 0), values)
    counts = audience.count(unit, mailing, audience_)
    return Preview(shown.subject, shown.html, shown.text, size_bytes, counts.recipients, counts.left_out,
                   compose.warnings(unit, prepared))


def count_audience(unit: Unit, mailing_id: int, audience_: str | None = None) -> AudienceCount:
    """Whom the mailing would reach now, everybody or one of ``AUDIENCES``, and who is left out for what. Reads only.

    Raises ``NOT_FOUND``, ``INVALID_VALUE`` for the audience.
    """
    _check_audience(audience_)
    return audience.count(unit, _mailing(unit, mailing_id), audience_)


def schedule(unit: Unit, mailing_id: int, send_at: dt.datetime, not_after: dt.datetime | None = None,
             again: bool = False, *, audience_: str | None = None, spread_s: int | None = None,
             interests_: tuple[str, ...] = (), is_test: bool = False) -> InstanceView:
    """Makes an instance that is sent at ``send_at``, and rings for it.

    ``audience_``, one of ``AUDIENCES``, narrows a mailing that is sent again (SEND-4); ``spread_s`` distributes it over
    so long; ``interests_`` are whom this instance alone goes to, in place of those that the mailing includes, while
    those that it excludes stay out; ``is_test`` marks it. Raises ``NOT_FOUND``; ``INVALID_VALUE`` for a time more than
    5 minutes ago or 100 years ahead, a ``not_after`` before it, an audience or a spread that there is not, or no
    interests; ``LIST_UNKNOWN``; ``INVALID_REQUEST`` for an audience without ``again``; ``STATE_CONFLICT`` when the
    mailing is released, which is when an instance of it waits, runs or has sent something, and ``again`` is not said
    (SEND-4), or where the brand reviews its mailings and nobody has approved this one (SEND-2), or sends signed mail
    only and no key signs it (SEND-43).
    """
    unit.actor.require("send")
    mailing = _mailing(unit, mailing_id, lock=True)
    _check_times(unit, send_at, not_after)
    _check_audience(audience_, again)
    rules.check_spread(spread_s)
    if not (interests_ or mailing.draft.interests):
        raise GatewayError("INVALID_VALUE", "The mailing names no interest, so it reaches nobody. "
                                            "Give it at least one.", field="interest")
    if mailing.state == rules.RELEASED and not again:
        newest = instances.of_mailings(unit.connection, unit.brand_id, [mailing_id])[0]
        raise GatewayError("STATE_CONFLICT", f"The mailing has an instance already; the newest is in state "
                                             f"'{newest.state}'. Say again=true to send it once more.", field="again")
    if mailing.state == rules.DRAFT and rules.reviews(accounts.brand_settings(unit.connection, unit.brand_id)):
        raise GatewayError("STATE_CONFLICT", "This brand reviews its mailings, and nobody has approved this draft. "
                                             "Submit it, and send it when it is approved.")
    dkim.require_signed(unit, mailing.draft.from_address)
    state = rules.next_state(rules.MAILING_STEPS, "mailing", mailing.state, "release")
    queries.set_state(unit.connection, unit.brand_id, mailing_id, state, unit.actor.label, unit.now)
    _note_choice(unit, mailing_id, send_at)
    instance_id = instances.add(unit.connection, unit.brand_id, mailing_id, send_at=send_at, not_after=not_after,
                                created_by=unit.actor.label, now=unit.now, audience=audience_, spread_s=spread_s,
                                is_test=is_test)
    instances.set_interests(unit.connection, unit.brand_id, instance_id, _interest_ids(unit, interests_, "interest"))
    unit.ring("run_instance", unit.brand_id, instance_id, delay_s=max(0.0, (send_at - unit.now).total_seconds()))
    warnings = compose.warnings(unit, compose.prepare(unit, mailing.draft, instance_id))
    return replace(get_instance(unit, instance_id), warnings=warnings)


def send(unit: Unit, mailing_id: int, not_after: dt.datetime | None = None, again: bool = False, *,
         audience_: str | None = None, spread_s: int | None = None) -> InstanceView:
    """:func:`schedule` for now."""
    return schedule(unit, mailing_id, unit.now, not_after, again, audience_=audience_, spread_s=spread_s)


def cancel(unit: Unit, instance_id: int) -> InstanceView:
    """Ends an instance for good; what is out is out. Final when it is answered; repeating it changes nothing.

    Raises ``NOT_FOUND``; ``STATE_CONFLICT`` for one that was sent.
    """
    unit.actor.require("send")
    instance = _instance(unit, instance_id, lock=True)
    lifecycle.cancel_rows(unit, instance, "cancel", reason=None)
    return get_instance(unit, instance_id)


def pause(unit: Unit, instance_id: int) -> InstanceView:
    """Stops an instance until it is resumed. Final when it is answered; repeating it changes nothing (SEND-38).

    Raises ``NOT_FOUND``; ``STATE_CONFLICT`` for one that was sent or cancelled.
    """
    unit.actor.require("send")
    instance = _instance(unit, instance_id, lock=True)
    lifecycle.pause(unit, instance)
    _note_choice(unit, instance.mailing_id, None)
    return get_instance(unit, instance_id)


def resume(unit: Unit, instance_id: int) -> InstanceView:
    """Lets a paused instance go on where it stopped; nobody gets it twice. Repeating it changes nothing (SEND-38).

    Raises ``NOT_FOUND``; ``STATE_CONFLICT`` for one that was sent or cancelled.
    """
    unit.actor.require("send")
    instance = _instance(unit, instance_id, lock=True)
    lifecycle.resume(unit, instance)
    _note_choice(unit, instance.mailing_id, instance.send_at)
    return get_instance(unit, instance_id)


def let_go(gateway: Gateway, actor: Actor, instance_id: int, wait_s: float = LET_GO_S) -> InstanceView:
    """The counts of an instance that was paused or cancelled, once no worker has recipients of it in hand any more.

    Workers finish the message on its way and give the rest back; after ``wait_s`` the answer shows who is still
    ``claimed``. Raises ``NOT_FOUND``.
    """
    until = time.monotonic() + wait_s
    while True:
        with gateway.reading(actor) as unit:
            view = get_instance(unit, instance_id)
        open_states = OPEN if view.state == rules.CANCELLED else (CLAIMED,)
        if not any(view.counts.get(state) for state in open_states) or time.monotonic() >= until:
            return view
        time.sleep(LOOK_S)


def moment_of(unit: Unit, send_at: dt.datetime | None, local: str | None, zone_name: str | None) -> dt.datetime:
    """The time of sending: ``send_at``, or the time ``local`` on the wall in this zone, else the brand's (SEND-5).

    Where clocks are put forward, a time that is left out is as much later; where they are put back, one that comes
    twice is the first. Raises ``INVALID_REQUEST`` unless one of the two is given, ``INVALID_DATE`` or
    ``INVALID_VALUE`` for what is no time or no zone.
    """
    if (send_at is None) == (local is None):
        raise GatewayError("INVALID_REQUEST", "Say when: give either sendAt, or sendAtLocal with a timeZone or in the "
                                              "brand's. To send now, use the operation for that.", field="sendAt")
    if send_at is not None:
        if zone_name is not None:
            raise GatewayError("INVALID_REQUEST", "A time zone belongs to sendAtLocal; sendAt has its own offset.",
                               field="timeZone")
        return send_at
    time_there = window.local_time(local or "")
    if time_there is None:
        raise GatewayError("INVALID_DATE", "Expected a time without an offset, such as 2026-05-01T09:00.",
                           field="sendAtLocal")
    brand_zone = accounts.brand_settings(unit.connection, unit.brand_id).get(window.TIME_ZONE, window.UTC)
    try:
        return window.moment(time_there, zone_name or str(brand_zone))
    except ValueError:
        raise GatewayError("INVALID_VALUE", "Expected the name of a time zone, such as Europe/Berlin.",
                           field="timeZone") from None


def get_instance(unit: Unit, instance_id: int) -> InstanceView:
    """The instance with its counts by state. Raises ``NOT_FOUND``."""
    instance = _instance(unit, instance_id)
    return _instance_view(instance, instances.counts(unit.connection, unit.brand_id, [instance_id]), unit.now,
                          lifecycle.send_window(unit))


# --- parts -----------------------------------------------------------------------------------------------------


def _checked(unit: Unit, draft: MailingDraft) -> tuple[MailingDraft, tuple[Problem, ...]]:
    """The draft with its addresses in their stored form, and its warnings; raises for what cannot be stored."""
    rules.check_texts(draft)
    if draft.folder:
        folders.ensure(unit.connection, unit.brand_id, draft.folder)
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


def _note_choice(unit: Unit, mailing_id: int, send_at: dt.datetime | None) -> None:
    """How the mailing stands now: sent at once, sent at ``send_at``, or, without a time, on hold."""
    choice = rules.ON_HOLD if send_at is None else rules.SEND_LATER if send_at > unit.now else rules.SEND_NOW
    queries.set_facts(unit.connection, unit.brand_id, mailing_id, unit.actor.label, unit.now, schedule_choice=choice)


def _check_times(unit: Unit, send_at: dt.datetime, not_after: dt.datetime | None) -> None:
    if unit.now - send_at > PAST_TOLERANCE:
        raise GatewayError("INVALID_VALUE", "The time is more than 5 minutes in the past. Name a later one, "
                                            "or send now.", field="sendAt")
    if send_at - unit.now > LONGEST_AHEAD:
        raise GatewayError("INVALID_VALUE", "The time is more than a hundred years ahead. Check its year.",
                           field="sendAt")
    if not_after is not None and not_after < max(send_at, unit.now):
        raise GatewayError("INVALID_VALUE", "notAfter lies before the time of sending, so nothing would be sent.",
                           field="notAfter")


def _check_audience(audience_: str | None, again: bool = True) -> None:
    if audience_ is None:
        return
    if audience_ not in rules.AUDIENCES:
        raise GatewayError("INVALID_VALUE", f"There is no audience '{audience_[:40]}'; there are "
                                            f"{', '.join(rules.AUDIENCES)}.", field="audience")
    if not again:
        raise GatewayError("INVALID_REQUEST", "An audience narrows a mailing that is sent again: say again=true, too.",
                           field="again")


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
    carried = stored_files.views(unit.connection, unit.brand_id, ids) if ids else {}
    opening = lifecycle.send_window(unit)
    return [MailingView(row.mailing_id, row.draft, row.state, row.created_by, row.created_at, row.changed_at,
                        tuple(_instance_view(one, counts, unit.now, opening)
                              for one in by_mailing.get(row.mailing_id, ())),
                        reviewed_by=row.reviewed_by, review_note=row.review_note,
                        files=carried.get(row.mailing_id, ()))
            for row in rows]


def _instance_view(instance: StoredInstance, counts: Mapping[int, Mapping[str, int]], now: dt.datetime,
                   opening: SendWindow) -> InstanceView:
    return InstanceView(instance.instance_id, instance.mailing_id, instance.state, instance.reason, instance.send_at,
                        instance.not_after, instance.created_at, instance.finished_at,
                        dict(counts.get(instance.instance_id, {})), paused_from=instance.paused_from,
                        audience=instance.audience, spread_s=instance.spread_s, recipients=instance.recipients,
                        opens_at=_opens_at(instance, now, opening))


def _opens_at(instance: StoredInstance, now: dt.datetime, opening: SendWindow) -> dt.datetime | None:
    """When it goes on, if it only waits for the brand's send window."""
    if instance.state not in (rules.SCHEDULED, rules.PREPARING, rules.SENDING):
        return None
    due_at = max(now, instance.send_at)
    opens_at = opening.opens_at(due_at)
    return opens_at if opens_at > due_at else None
