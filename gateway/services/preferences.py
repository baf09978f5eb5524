"""What does a recipient see on the preference form, and what becomes of what they change? (ID-36, ID-39, ID-51, ID-56)

A token names one delivery. Its person's details are shown only while the person still has the address that was mailed:
whoever holds an old message of a former address may unsubscribe by it, and no more.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.db.queries import accounts, audience, batches, deliveries, locks, writebacks
from gateway.db.queries import preferences as stored
from gateway.db.queries import subscribers as people
from gateway.db.queries.deliveries import StoredDelivery
from gateway.db.queries.preferences import FieldOnForm, PublicInterest
from gateway.db.queries.subscribers import Link, SubscriberRow
from gateway.db.unit import Unit
from gateway.domain import tokens
from gateway.domain.accounts import Actor
from gateway.domain.merge import effective
from gateway.domain.preferences import (
    EDITABLE,
    FormField,
    FormInterest,
    Posted,
    changed_fields,
    changed_interests,
    label,
    shown,
)
from gateway.domain.suppression import FORM
from gateway.domain.tokens import Kind, Token
from gateway.services import compose, evidence, preferencechanges, subscribers, suppression, tracking
from gateway.services.gateway import Gateway
from gateway.services.preferencechanges import Made, Systems, systems_of
from gateway.services.preferencevalues import Told, ask

TEST, GONE, MOVED, OPEN = "test", "gone", "moved", "open"
"""What the link leads to: a test copy, nobody (any more), the form of a former address, the form."""

UNSUBSCRIBE, RETURN = "unsubscribe", "return"
REASON = "The person asked for it on the preference form."


@dataclass(frozen=True, slots=True)
class FormPage:
    """What the form shows. ``state``: see above; all but OPEN have neither fields nor interests.

    ``blocked``: sentences that say what keeps mail from the person and where that can be undone (ID-52); ``is_out``: an
    opt-out is among it, ``may_return``: which the person may end here. ``away``: a system that knows the person did
    not answer. ``form`` tells this form from others.
    """

    brand_name: str
    state: str
    masked_address: str = ""
    fields: tuple[FormField, ...] = ()
    interests: tuple[FormInterest, ...] = ()
    blocked: tuple[str, ...] = ()
    is_out: bool = False
    may_return: bool = False
    away: bool = False
    form: str = ""

    @property
    def problems(self) -> tuple[FormField, ...]:
        """The fields that were filled in wrongly."""
        return tuple(field for field in self.fields if field.problem)


@dataclass(frozen=True, slots=True)
class DonePage:
    """What was changed, by the names that the form shows; ``act``: UNSUBSCRIBE or RETURN where it was one of those."""

    brand_name: str
    masked_address: str
    state: str = OPEN
    made: Made = Made()
    act: str = ""


@dataclass(frozen=True, slots=True)
class _Holder:
    """The person who got the delivery and still has its address, as the store knows them."""

    delivery: StoredDelivery
    person: SubscriberRow
    fields: Sequence[FieldOnForm]
    interests: Sequence[PublicInterest]
    values: Mapping[str, str]
    waiting: Mapping[str, str | None]
    systems: Systems


def open_form(gateway: Gateway, text: str, *, ask_systems: bool = True) -> FormPage | None:
    """The form of a token with the values that count now; changes nothing (SEND-48). None for a wrong token.

    Systems are asked outside of any transaction, for 2 s at most; without ``ask_systems`` stored values stand alone.
    Raises ``UNAVAILABLE``.
    """
    token = _token(gateway, text)
    if token is None:
        return None
    with gateway.reading(_recipient(token)) as unit:
        page, holder = _look(unit, token)
    if page is None or holder is None:
        return page
    told = Told({})
    if ask_systems:
        told = ask(gateway, token.brand_id, holder.person.subscriber_id, [each.name for each in holder.fields])
    return replace(page, fields=tuple(_fields(holder, told.values)), away=told.away, form=secrets.token_hex(8))


def save(gateway: Gateway, text: str, posted: Posted) -> DonePage | FormPage | None:
    """Stores what the person changed, in one transaction with its events and writebacks (ID-59); or the form again,
    with what is wrong beside each field, and nothing is stored.

    What was not touched on the form stays as it is by now, whatever the form had shown; sending a form twice changes
    nothing more. None for a wrong token. Raises ``UNAVAILABLE`` when nothing was stored.
    """
    token = _token(gateway, text)
    if token is None:
        return None
    with gateway.unit(_recipient(token)) as unit:
        locks.lock_brand(unit.connection, unit.brand_id)
        page, holder = _look(unit, token)
        if page is None or holder is None:
            return page
        given, problems = changed_fields(_fields(holder, {}), posted)
        if not problems:
            evidence.prove(unit, holder.delivery.delivery_id)
            joined, left = changed_interests(page.interests, posted)
            by_id = {each.interest_id: each for each in holder.interests}
            change = preferencechanges.Change(
                holder.delivery, holder.person.subscriber_id, holder.person.email, posted.form, given,
                tuple(by_id[each.interest_id] for each in joined), tuple(by_id[each.interest_id] for each in left))
            made = preferencechanges.store(unit, change, holder.systems)
            return DonePage(page.brand_name, page.masked_address,
                            made=replace(made, fields=tuple(map(label, made.fields))))
    again = open_form(gateway, text)
    return again and _with_problems(again, posted, problems)


def act(gateway: Gateway, text: str, wanted: str) -> DonePage | FormPage | None:
    """Unsubscribes the recipient from everything (as the unsubscribe page does, ID-50), or lets them come back (ID-51).

    One transaction with event and writebacks; doing it again changes nothing. None for a wrong token. Raises
    ``UNAVAILABLE`` when nothing was stored.
    """
    token = _token(gateway, text)
    if token is None:
        return None
    with gateway.unit(_recipient(token)) as unit:
        locks.lock_brand(unit.connection, unit.brand_id)
        page, holder = _look(unit, token)
        delivery = deliveries.get(unit.connection, unit.brand_id, token.delivery_id)
        if page is None or delivery is None or page.state not in (MOVED, OPEN):
            return page
        evidence.prove(unit, delivery.delivery_id)
        if wanted == UNSUBSCRIBE:
            suppression.opt_out_recipient(unit, delivery, FORM)
        elif holder is None or not _come_back(unit, holder):
            return page
        return DonePage(page.brand_name, page.masked_address, page.state, act=wanted)


def path_for(gateway: Gateway, unsubscribe_text: str) -> str | None:
    """The path of the form of the delivery whose unsubscribe token this is; None for a wrong token or a test copy's."""
    token = tokens.read(gateway.keys, unsubscribe_text)
    if token is None or token.kind is not Kind.UNSUBSCRIBE or token.delivery_id == compose.NO_DELIVERY:
        return None
    form = Token(Kind.PREFERENCES, token.brand_id, token.delivery_id)
    return tokens.path(form, tokens.mint(gateway.keys, form))


def delivery_of(gateway: Gateway, text: str) -> tuple[int, int] | None:
    """(brand, delivery) of a form's token: whose form is asked for; None for a wrong one."""
    token = _token(gateway, text)
    return None if token is None else (token.brand_id, token.delivery_id)


# --- parts -----------------------------------------------------------------------------------------------------


def _token(gateway: Gateway, text: str) -> Token | None:
    token = tokens.read(gateway.keys, text)
    return token if token is not None and token.kind is Kind.PREFERENCES else None


def _recipient(token: Token) -> Actor:
    return Actor(brand_id=token.brand_id, label="recipient", door="public")


def _look(unit: Unit, token: Token) -> tuple[FormPage | None, _Holder | None]:
    """The page without fields, and whose form it is; nobody's where a page shows no details."""
    name = accounts.brand_name(unit.connection, unit.brand_id)
    if name is None:
        return None, None
    if token.delivery_id == compose.NO_DELIVERY:
        return FormPage(name, TEST), None
    delivery = deliveries.get(unit.connection, unit.brand_id, token.delivery_id)
    if delivery is None or not delivery.email:
        return FormPage(name, GONE), None
    page = FormPage(name, MOVED, tracking.mask(delivery.email))
    found = audience.survivors(unit.connection, unit.brand_id, [delivery.subscriber_id])
    (person, *_) = people.by_ids(unit.connection, unit.brand_id,
                                 [found.get(delivery.subscriber_id, delivery.subscriber_id)]) or [None]
    if person is None or person.email != delivery.email or person.merged_into is not None:
        return page, None
    holder = _holder(unit, delivery, person)
    may_return = person.opted_out and suppression.may_take_back(unit, delivery.email, person.subscriber_id)
    interests = tuple(FormInterest(each.interest_id, each.name, each.description, is_in, is_in)
                      for each in holder.interests for is_in in [each.is_member and not each.has_left])
    return replace(page, state=OPEN, interests=interests, blocked=_blocked(unit, name, person, may_return),
                   is_out=person.opted_out, may_return=may_return), holder


def _holder(unit: Unit, delivery: StoredDelivery, person: SubscriberRow) -> _Holder:
    connection, brand_id, who = unit.connection, unit.brand_id, person.subscriber_id
    sources = batches.sources(connection, brand_id)
    rank = subscribers.brand_rank(unit, sources)
    local_id = stored.local_source(connection, brand_id)
    counting = effective(people.documents(connection, brand_id, [who]).get(who, {}), rank)
    by_integration = {row.integration_id: rank(row.source_id) for row in sources.values()}
    links: list[Link] = sorted(people.links(connection, brand_id, [who]).get(who, []),
                               key=lambda link: by_integration.get(link.integration_id, (0, 0)))
    first = {name for name, value in counting.items() if rank(value.source_id) < rank(local_id)}
    fields = stored.fields(connection, brand_id)
    return _Holder(delivery, person, fields,
                   stored.interests(connection, brand_id, who, local_id, unit.now),
                   {name: value.text for name, value in counting.items()},
                   writebacks.open_values(connection, brand_id, [who]).get(who, {}),
                   systems_of(unit, links, [each.name for each in fields if each.on_form == EDITABLE], local_id, first))


def _fields(holder: _Holder, live: Mapping[str, str]) -> list[FormField]:
    found = []
    for each in holder.fields:
        if each.name in holder.waiting:
            text = holder.waiting[each.name] or ""
        else:
            text = live.get(each.name, holder.values.get(each.name, ""))
        value = shown(each.kind, text)
        was_cut = len(live.get(each.name, "")) >= each.max_length  # its end, which we do not see, would be lost there
        editable = each.on_form == EDITABLE and holder.systems.can_keep(each.name) and not was_cut
        found.append(FormField(each.field_id, each.name, each.kind, each.max_length, editable, value, value))
    return found


def _blocked(unit: Unit, brand_name: str, person: SubscriberRow, may_return: bool) -> tuple[str, ...]:
    said = []
    if person.opted_out and may_return:
        said.append("You have unsubscribed: you get no mailings at this address.")
    elif person.opted_out:
        said.append(f"No mailings are sent to this address. Please write to {brand_name} if you want them again.")
    if person.flagged:
        names = " and ".join(stored.flagged_by(unit.connection, unit.brand_id, person.email or "")) or "another system"
        said.append(f"Your entry in {names} says that you want no mail. That can be undone only there.")
    if person.bounced:
        said.append(f"Mail to this address came back. Please write to {brand_name} if the address is right.")
    if person.orphan:
        said.append(f"Your entry in the membership system of {brand_name} has ended, so you get no mailings.")
    return tuple(said)


def _come_back(unit: Unit, holder: _Holder) -> bool:
    person = holder.person
    return suppression.take_back(unit, holder.delivery, person.email or "", person.subscriber_id, REASON)


def _with_problems(page: FormPage, posted: Posted, problems: Mapping[int, str]) -> FormPage:
    """The form as it was filled in; it stays the same form, so that what is mended is one change."""
    fields = tuple(
        replace(each, value=shown(each.kind, posted.values[each.field_id]), problem=problems.get(each.field_id),
                original=posted.originals.get(each.field_id, each.original))
        if each.editable and each.field_id in posted.values else each for each in page.fields)
    interests = tuple(replace(each, is_in=each.interest_id in posted.ticked, was_in=posted.listed[each.interest_id])
                      if each.interest_id in posted.listed else each for each in page.interests)
    return replace(page, fields=fields, interests=interests, form=posted.form)
