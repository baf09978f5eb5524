"""Which mailings are stored, with which content and which interests?"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.engine import is_postgresql
from gateway.db.models.mailings import mailing, mailing_interest
from gateway.db.models.subscribers import interest
from gateway.db.queries.bulk import among
from gateway.db.queries.feeds import in_window
from gateway.domain.mailing import MailingDraft, MailingFilter
from gateway.domain.paging import Window

COLUMNS = ("name", "subject", "from_name", "from_address", "reply_to", "html", "text", "include_orphans",
           "track_opens", "track_clicks", "writes_activity", "folder")
"""Members of the draft that are columns of the same name."""


@dataclass(frozen=True, slots=True)
class StoredMailing:
    """A mailing row with its interests' names."""

    mailing_id: int
    draft: MailingDraft
    state: str
    created_by: str
    created_at: dt.datetime
    changed_at: dt.datetime
    reviewed_by: str | None = None
    review_note: str | None = None


def add(connection: Connection, brand_id: int, draft: MailingDraft, *, state: str, created_by: str,
        now: dt.datetime) -> int:
    """Stores a mailing without interests (see :func:`set_interests`) and answers its id."""
    values = {name: getattr(draft, name) for name in COLUMNS}
    return connection.execute(
        sa.insert(mailing).values(brand_id=brand_id, state=state, created_by=created_by, created_at=now,
                                  changed_by=created_by, changed_at=now, **values).returning(mailing.c.id)).scalar_one()


def change(connection: Connection, brand_id: int, mailing_id: int, draft: MailingDraft, by: str,
           now: dt.datetime) -> None:
    """Replaces the content."""
    _set(connection, brand_id, mailing_id, by, now, **{name: getattr(draft, name) for name in COLUMNS})


def set_interests(connection: Connection, brand_id: int, mailing_id: int, ids: Sequence[int],
                  excluded_ids: Sequence[int]) -> None:
    """Makes the mailing's interests exactly these."""
    t = mailing_interest.c
    connection.execute(sa.delete(mailing_interest).where(t.brand_id == brand_id, t.mailing_id == mailing_id))
    rows = [{"brand_id": brand_id, "mailing_id": mailing_id, "interest_id": interest_id, "exclude": exclude}
            for exclude, group in ((False, ids), (True, excluded_ids)) for interest_id in dict.fromkeys(group)]
    if rows:
        connection.execute(sa.insert(mailing_interest), rows)


def set_state(connection: Connection, brand_id: int, mailing_id: int, state: str, by: str, now: dt.datetime) -> None:
    """Moves the mailing to ``state``; ``by`` whose act."""
    _set(connection, brand_id, mailing_id, by, now, state=state)


def set_review(connection: Connection, brand_id: int, mailing_id: int, state: str, reviewed_by: str | None,
               note: str | None, by: str, now: dt.datetime) -> None:
    """Moves the mailing to ``state`` by a review; without ``reviewed_by`` what was said before is forgotten."""
    _set(connection, brand_id, mailing_id, by, now, state=state, reviewed_by=reviewed_by, review_note=note)


def set_facts(connection: Connection, brand_id: int, mailing_id: int, by: str, now: dt.datetime,
              **facts: object) -> None:
    """Notes facts that are no content: ``schedule_choice`` (how it stands), ``accounting_code``, ``template_id``."""
    _set(connection, brand_id, mailing_id, by, now, **facts)


def get(connection: Connection, brand_id: int, mailing_id: int, *, lock: bool = False) -> StoredMailing | None:
    """The mailing of this brand, or None. ``lock`` makes others that lock it wait until this transaction ends."""
    query = sa.select(mailing).where(_is(brand_id, mailing_id))
    if lock and is_postgresql(connection):
        query = query.with_for_update()
    found = _with_interests(connection, brand_id, connection.execute(query).all())
    return found[0] if found else None


def known(connection: Connection, brand_id: int, mailing_ids: Collection[int]) -> set[int]:
    """Those of these mailings that the brand has."""
    return set(connection.scalars(sa.select(mailing.c.id).where(
        mailing.c.brand_id == brand_id, among(connection, mailing.c.id, list(mailing_ids)))))


def find(connection: Connection, brand_id: int, wanted: MailingFilter, window: Window) -> list[StoredMailing]:
    """Mailings of the brand in (created, id) order, at most ``window.size + 1`` of them."""
    t = mailing.c
    query = in_window(sa.select(mailing).where(t.brand_id == brand_id), window, t.created_at, t.id)
    if wanted.state is not None:
        query = query.where(t.state == wanted.state)
    if wanted.name is not None:
        query = query.where(t.name == wanted.name)
    return _with_interests(connection, brand_id, connection.execute(query).all())


def _set(connection: Connection, brand_id: int, mailing_id: int, by: str, now: dt.datetime, **values: object) -> None:
    connection.execute(sa.update(mailing).where(_is(brand_id, mailing_id))
                       .values(changed_by=by, changed_at=now, **values))


def _is(brand_id: int, mailing_id: int) -> sa.ColumnElement[bool]:
    return sa.and_(mailing.c.brand_id == brand_id, mailing.c.id == mailing_id)


def _with_interests(connection: Connection, brand_id: int, rows: Sequence[sa.Row]) -> list[StoredMailing]:
    ids = [row.id for row in rows]
    names: dict[tuple[int, bool], list[str]] = {}
    if ids:
        m = mailing_interest.c
        found = connection.execute(
            sa.select(m.mailing_id, m.exclude, interest.c.name)
            .join(interest, interest.c.id == m.interest_id)
            .where(m.brand_id == brand_id, m.mailing_id.in_(ids)).order_by(interest.c.name))
        for row in found:
            names.setdefault((row.mailing_id, row.exclude), []).append(row.name)
    return [_view(row, names) for row in rows]


def _view(row: sa.Row, names: Mapping[tuple[int, bool], list[str]]) -> StoredMailing:
    content = {name: getattr(row, name) for name in COLUMNS}
    draft = MailingDraft(interests=tuple(names.get((row.id, False), ())),
                         exclude_interests=tuple(names.get((row.id, True), ())), **content)
    return StoredMailing(row.id, draft, row.state, row.created_by, row.created_at, row.changed_at,
                         row.reviewed_by, row.review_note)
