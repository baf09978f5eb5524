"""Which files does a mailing carry?"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.models.mailings import mailing_file
from gateway.domain.files import FileView, MailingFile


def replace_all(connection: Connection, brand_id: int, mailing_id: int, files: Sequence[MailingFile]) -> None:
    """Makes the mailing's files exactly these, in this order."""
    t = mailing_file.c
    connection.execute(sa.delete(mailing_file).where(t.brand_id == brand_id, t.mailing_id == mailing_id))
    for position, each in enumerate(files):  # one by one: together they may be longer than one statement may be
        connection.execute(sa.insert(mailing_file).values(
            brand_id=brand_id, mailing_id=mailing_id, position=position, name=each.name,
            content_type=each.content_type, content_id=each.content_id, size_bytes=len(each.data), data=each.data))


def of_mailing(connection: Connection, brand_id: int, mailing_id: int) -> tuple[MailingFile, ...]:
    """The mailing's files with their bytes."""
    t = mailing_file.c
    rows = connection.execute(sa.select(t.name, t.content_type, t.data, t.content_id)
                              .where(t.brand_id == brand_id, t.mailing_id == mailing_id).order_by(t.position))
    return tuple(MailingFile(*row) for row in rows)


def views(connection: Connection, brand_id: int, mailing_ids: Sequence[int]) -> dict[int, tuple[FileView, ...]]:
    """Mailing id -> what is told of its files; reads no bytes."""
    t = mailing_file.c
    rows = connection.execute(
        sa.select(t.mailing_id, t.name, t.content_type, t.content_id, t.size_bytes)
        .where(t.brand_id == brand_id, t.mailing_id.in_(mailing_ids)).order_by(t.mailing_id, t.position))
    found: dict[int, tuple[FileView, ...]] = {}
    for mailing_id, *facts in rows:
        found[mailing_id] = (*found.get(mailing_id, ()), FileView(*facts))
    return found
