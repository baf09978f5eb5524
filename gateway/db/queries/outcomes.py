"""What became of the messages of a sender? Outcomes and their events, hundreds in one statement (SEND-20, SEND-50)."""

from __future__ import annotations

import datetime as dt
import functools
import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from gateway.db.engine import is_postgresql
from gateway.db.models.mailings import delivery, event
from gateway.db.queries.bulk import among_those, those
from gateway.db.queries.deliveries import is_cancelled
from gateway.domain import delivery as rules
from gateway.domain.delivery import Settled

_COLUMNS = {"id": delivery.c.id.type, "attempt": delivery.c.attempt.type, "at": delivery.c.changed_at.type,
            "next_at": delivery.c.next_at.type, "code": delivery.c.code.type, "text": delivery.c.status_text.type,
            "bounce_class": delivery.c.bounce_class.type, "reason": delivery.c.reason.type,
            "tiers": delivery.c.tiers.type}


def settle(connection: Connection, owner: str, happened: str, news: Sequence[Settled]) -> list[int]:
    """Stores outcomes of one kind (``happened``: an event of ``STEPS``) and answers whose rows really changed.

    Guarded by (delivery, attempt, owner), so that folding twice changes nothing (SEND-20), and a row that was given
    up for lost meanwhile takes the late answer of its own attempt only. A temporary failure of an instance that was
    cancelled meanwhile ends as ``cancelled``.
    """
    if not news:
        return []
    postgres = is_postgresql(connection)
    rows = json.dumps([(one.claimed.delivery_id, one.attempt, _moment(one.at, postgres),
                        _moment(one.next_at, postgres), one.code, one.status_text, one.bounce_class, one.reason,
                        one.tiers) for one in news])
    is_live = any(one.tiers is not None for one in news)
    return list(connection.scalars(_settle_statement(happened, postgres, is_live),
                                   {"b_rows": rows, "b_owner": owner}).all())


def add_events(connection: Connection, kind: str, delivery_ids: Sequence[int], recorded_at: dt.datetime) -> None:
    """One event for the outcome that each of these rows has now, at its time; one that is stored stays as it is."""
    if delivery_ids:
        postgres = is_postgresql(connection)
        connection.execute(_events_statement(kind, postgres),
                           {"b_now": recorded_at, "b_ids": those(delivery_ids, postgres)})


@functools.cache
def _events_statement(kind: str, postgres: bool) -> Any:
    t, text = delivery.c, sa.String()
    found = sa.select(
        sa.literal(kind).label("type"), t.brand_id, t.changed_at, sa.bindparam("b_now", type_=t.changed_at.type),
        "smtp:" + sa.cast(t.id, text) + ":" + sa.cast(t.attempt, text) + f":{kind}", t.instance_id, t.id,
        t.subscriber_id, t.remote_id, t.email, t.code).where(among_those(t.id, "b_ids", postgres)).order_by(t.id)
    columns = ("type", "brand_id", "occurred_at", "recorded_at", "once_key", "instance_id", "delivery_id",
               "subscriber_id", "remote_id", "address", "code")
    insert = postgresql.insert if postgres else sqlite.insert
    return insert(event).from_select(columns, found).on_conflict_do_nothing()


@functools.cache
def _settle_statement(happened: str, postgres: bool, is_live: bool) -> Any:
    """The guarded step of one kind of outcome for any number of rows; made once. ``is_live``: with tiers (ID-76)."""
    t, new = delivery.c, _rows(postgres)
    state: Any = rules.STEPS[rules.CLAIMED, happened]
    mine = sa.and_(t.state == rules.CLAIMED, t.lease_owner == sa.bindparam("b_owner"))
    if rules.IN_DOUBT in rules.states_before(happened):
        mine = sa.or_(mine, t.state == rules.IN_DOUBT)
    values: dict[str, Any] = {"lease_owner": None, "lease_until": None, "changed_at": new.c.at}
    if happened == "leave_out":
        values |= {"attempt": t.attempt - 1, "reason": new.c.reason}
    else:
        values |= {"first_tried_at": sa.func.coalesce(t.first_tried_at, new.c.at), "code": new.c.code,
                   "status_text": new.c.text}
    if is_live:
        values["tiers"] = sa.func.coalesce(new.c.tiers, t.tiers)
    if happened == "accept":
        values["accepted_at"] = new.c.at
    if happened in ("refuse", "expire"):
        values["bounce_class"] = new.c.bounce_class
    if happened == "defer":
        values["next_at"] = sa.case((is_cancelled(), None), else_=new.c.next_at)
        state = sa.case((is_cancelled(), rules.CANCELLED), else_=rules.DEFERRED)
    return (sa.update(delivery).where(t.id == new.c.id, t.attempt == new.c.attempt, mine)
            .values(state=state, **values).returning(t.id))


def _rows(postgres: bool) -> sa.Subquery:
    """The outcomes of the parameter ``b_rows``, a JSON array of arrays: one parameter for any number of them."""
    if postgres:
        document = sa.cast(sa.bindparam("b_rows", type_=sa.String()), sa.JSON)
        each = sa.func.json_array_elements(document).table_valued("value")
        columns = [sa.cast(sa.literal_column(f"value ->> {place}"), kind).label(name)
                   for place, (name, kind) in enumerate(_COLUMNS.items())]
    else:
        each = sa.func.json_each(sa.bindparam("b_rows")).table_valued("value")
        columns = [sa.func.json_extract(each.c.value, sa.literal_column(f"'$[{place}]'"), type_=kind).label(name)
                   for place, (name, kind) in enumerate(_COLUMNS.items())]
    return sa.select(*columns).select_from(each).subquery("new")


def _moment(moment: dt.datetime | None, postgres: bool) -> str | None:
    """An instant, which is UTC, as the database takes it out of a JSON document."""
    if moment is None:
        return None
    text = moment.isoformat(" ", "milliseconds")
    return text if postgres else f"{text[:23]}000"
