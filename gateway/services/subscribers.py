"""Who is this subscriber, and which of them are wanted? (SOAP-43, SOAP-44, ID-36, ID-46)"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

from gateway.db.queries import accounts, batches, fields, identities, writebacks
from gateway.db.queries import interests as stored_interests
from gateway.db.queries import subscribers as stored
from gateway.db.queries.batches import SourceRow
from gateway.db.queries.subscribers import SubscriberRow
from gateway.db.unit import Unit
from gateway.domain.addresses import normalise, normalise_remote_id
from gateway.domain.fields import JSON
from gateway.domain.merge import Rank, effective
from gateway.domain.paging import Page, PageRequest
from gateway.domain.people import Document
from gateway.domain.records import FieldView, Identifier, Problem, SubscriberFilter, SubscriberView
from gateway.domain.suppression import STATUSES, blocked_by, status
from gateway.errors import GatewayError
from gateway.services.paging import close_page, open_window

PLACES = {"integration": 0, "local": 1, "upload": 2}

SOURCE_PRIORITY = "sourcePriority"
"""Name in the brand's settings: labels of sources, the first one's value counts (ID-36)."""


def get(unit: Unit, who: Identifier) -> SubscriberView:
    """The one subscriber that is meant; a tombstone is found by its id only and answers with ``merged_into``.

    Raises ``NOT_ALLOWED``, ``IDENTIFIER_MISSING``, ``NOT_FOUND``, ``AMBIGUOUS_EMAIL`` (several records have
    the address), ``IDENTITY_MISMATCH`` (two identifiers name two people), or what is wrong with an identifier.
    """
    if "send" not in unit.actor.scopes:  # who makes mailings may see for whom
        unit.actor.require("report")
    (view,) = _views(unit, stored.by_ids(unit.connection, unit.brand_id, [identify(unit, who)]))
    return view


def find(unit: Unit, wanted: SubscriberFilter, request: PageRequest) -> Page[SubscriberView]:
    """A page of live subscribers in the order in which they were changed. The first page runs in ``gateway.feed``.

    Raises ``NOT_ALLOWED``, ``INVALID_TOKEN``, ``INVALID_VALUE``, ``INVALID_EMAIL``, ``LIST_UNKNOWN``.
    """
    unit.actor.require("report")
    if wanted.status is not None and wanted.status not in STATUSES:
        raise GatewayError("INVALID_VALUE", f"The status is one of {', '.join(STATUSES)}.", field="status")
    if wanted.interest is not None and not stored_interests.by_name(unit.connection, unit.brand_id,
                                                                    [wanted.interest]):
        raise GatewayError("LIST_UNKNOWN", f"There is no interest '{wanted.interest}'. Correct the name.",
                           field="interest")
    read = replace(wanted, email=None if wanted.email is None else _checked(normalise(wanted.email, utf8=True)),
                   remote_id=_checked(normalise_remote_id(wanted.remote_id)))
    window = open_window(unit, "subscribers", wanted, request)
    rows = stored.find(unit.connection, unit.brand_id, read, unit.actor.integration_id, window,
                       unit.now)
    page = close_page(unit, "subscribers", wanted, window, rows, lambda row: (row.changed_at, row.subscriber_id))
    return Page(tuple(_views(unit, page.items)), page.next_token, page.as_of)


def identify(unit: Unit, who: Identifier) -> int:
    """The id of the one subscriber that the identifiers name; raises as :func:`get` does."""
    remote_id = _checked(normalise_remote_id(who.remote_id))
    email = _checked(normalise(who.email, utf8=True)) if who.email is not None and who.email.strip() else None
    if who.subscriber_id is None and remote_id is None and email is None:
        raise GatewayError("IDENTIFIER_MISSING", "Name a subscriber id, a remote ID or an e-mail address.")
    named: list[set[int]] = []
    if who.subscriber_id is not None:
        named.append(set(identities.by_id(unit.connection, unit.brand_id, [who.subscriber_id])))
    if remote_id is not None:
        named.append(_by_remote_id(unit, remote_id))
    if email is not None:
        found = identities.people(unit.connection, unit.brand_id, 0, (), [email])
        named.append(set(found))
    if not all(named):
        raise GatewayError("NOT_FOUND", "Nobody in this brand has this identifier.")
    meant = set.intersection(*named)
    if not meant:
        raise GatewayError("IDENTITY_MISMATCH", "The identifiers name different people. Send one of them.")
    if len(meant) > 1:
        raise GatewayError("AMBIGUOUS_EMAIL", f"{len(meant)} records have this address. Name the remote ID.",
                           field="email")
    return meant.pop()


def merge_values(unit: Unit, subscriber_ids: Sequence[int]) -> dict[int, dict[str, str]]:
    """Subscriber id -> field -> the value that counts (ID-36), else the field's default (ID-76), for personalisation.

    Everybody asked for is there. Fields of kind json are left out: nobody wants to read brackets in a mail (PUSH-26).
    """
    found = stored_values(unit, subscriber_ids)
    defaults = fields.defaults(unit.connection, unit.brand_id) if found else {}
    if not defaults:
        return found
    return {subscriber_id: {**defaults, **values} for subscriber_id, values in found.items()}


def stored_values(unit: Unit, subscriber_ids: Sequence[int]) -> dict[int, dict[str, str]]:
    """As :func:`merge_values` without the defaults: what sources left here."""
    if not subscriber_ids:
        return {}
    unread = fields.names_of(unit.connection, unit.brand_id, JSON)
    found: dict[int, dict[str, str]] = {subscriber_id: {} for subscriber_id in subscriber_ids}
    seen: set[int] = set()
    several: set[int] = set()
    texts = stored.texts(unit.connection, unit.brand_id, subscriber_ids)
    documents = json.loads(f"[{','.join([text for _, text in texts])}]")  # all at once: a third of the time
    for (subscriber_id, _), document in zip(texts, documents, strict=True):
        (several if subscriber_id in seen else seen).add(subscriber_id)
        found[subscriber_id] = document  # of the only source in the usual case: nothing to choose
    if several:
        _choose(unit, sorted(several), found)
    for subscriber_id, changes in writebacks.open_values(unit.connection, unit.brand_id, subscriber_ids).items():
        changed = {**found[subscriber_id], **changes}  # on its way into a foreign system, it comes first (ID-36)
        found[subscriber_id] = {name: text for name, text in changed.items() if text}
    if unread:
        for values in found.values():
            for name in unread:
                values.pop(name, None)
    return found


def _choose(unit: Unit, subscriber_ids: Sequence[int], found: dict[int, dict[str, str]]) -> None:
    """Puts the values that count, by the brand's order, of people of whom several sources tell (ID-36)."""
    rank = brand_rank(unit, batches.sources(unit.connection, unit.brand_id))
    for subscriber_id, documents in stored.documents(unit.connection, unit.brand_id, subscriber_ids).items():
        found[subscriber_id] = {name: value.text for name, value in effective(documents, rank).items()}


def source_priority(settings: Mapping[str, object]) -> tuple[str, ...]:
    """The brand's own order of sources, by label such as ``integration:crm`` (ID-36); empty: the default one."""
    wanted = settings.get(SOURCE_PRIORITY)
    return tuple(label for label in wanted if isinstance(label, str)) if isinstance(wanted, list) else ()


def rank_of(sources: Mapping[int, SourceRow], priority: Sequence[str] = ()) -> Rank:
    """Where each source stands (ID-36): those of the brand's ``priority`` list in its order, then the others in the
    default one: integrations in order of creation, local, uploads."""
    own = {label: place - len(priority) for place, label in enumerate(priority)}
    by_id = {row.source_id: (own[row.label], 0) if row.label in own else (PLACES[row.kind], row.integration_id or 0)
             for row in sources.values()}
    return lambda source_id: by_id.get(source_id, (len(PLACES), 0))


def brand_rank(unit: Unit, sources: Mapping[int, SourceRow]) -> Rank:
    """Where each source of the unit's brand stands, as its settings say."""
    return rank_of(sources, source_priority(accounts.brand_settings(unit.connection, unit.brand_id)))


def _by_remote_id(unit: Unit, remote_id: str) -> set[int]:
    integration_id = unit.actor.integration_id
    if integration_id is None:
        integration_id = accounts.integration_id(unit.connection, unit.brand_id, "api") or 0
    found = identities.people(unit.connection, unit.brand_id, integration_id, [remote_id], ())
    return {person.subscriber_id for person in found.values() if (integration_id, remote_id) in person.keys}


def _views(unit: Unit, rows: Sequence[SubscriberRow]) -> list[SubscriberView]:
    if not rows:
        return []
    ids = [row.subscriber_id for row in rows]
    sources = batches.sources(unit.connection, unit.brand_id)
    labels = {source_id: row.label for source_id, row in sources.items()}
    rank = brand_rank(unit, sources)
    links = stored.links(unit.connection, unit.brand_id, ids)
    documents = stored.documents(unit.connection, unit.brand_id, ids)
    waiting = writebacks.open_values(unit.connection, unit.brand_id, ids)
    memberships = stored.memberships(unit.connection, unit.brand_id, ids, labels)
    views = []
    for row in rows:
        blockers = blocked_by(opted_out=row.opted_out, flagged=row.flagged, bounced=row.bounced, orphan=row.orphan)
        own = links.get(row.subscriber_id, [])
        spoken = [link.remote_id for link in own if link.integration_id == unit.actor.integration_id]
        views.append(SubscriberView(
            row.subscriber_id, row.email, (spoken or [link.remote_id for link in own] or [None])[0],
            tuple((link.integration, link.remote_id) for link in own), status(blockers),
            not blockers and row.email is not None and row.merged_into is None, blockers, labels[row.source_id],
            labels[row.first_source_id], row.orphan, row.merged_into,
            _fields(documents.get(row.subscriber_id, {}), rank, labels, waiting.get(row.subscriber_id, {})),
            tuple(memberships.get(row.subscriber_id, ())), row.created_at, row.changed_at))
    return views


def _fields(documents: dict[int, Document], rank: Rank, labels: dict[int, str],
            waiting: Mapping[str, str | None]) -> tuple[FieldView, ...]:
    """``waiting``: the values on their way into a foreign system, which come first (ID-36)."""
    counting = effective(documents, rank)
    for name in waiting.keys() & counting.keys():
        given = [effective({source_id: document}, rank).get(name) for source_id, document in documents.items()]
        same = [value for value in given if value is not None and value.text == waiting[name]]
        if same:
            counting[name] = same[0]
    return tuple(FieldView(name, waiting.get(name) or value.text, labels[value.source_id],
                           dt.datetime.fromisoformat(value.changed_at))
                 for name, value in sorted(counting.items()) if waiting.get(name, "") is not None)


def _checked(value: str | Problem | None) -> str | None:
    if isinstance(value, Problem):
        raise GatewayError(value.code, value.message, field=value.field)
    return value
