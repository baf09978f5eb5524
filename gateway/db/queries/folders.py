"""Which folders do the mailings of a brand lie in, and under which accounting codes do they go?

The name in ``mailing.folder`` is the truth; a row here gives it an id.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.models.mailings import accounting_code, mailing_folder
from gateway.db.queries.events import insert_or_ignore


def ensure(connection: Connection, brand_id: int, name: str) -> None:
    """Makes the folder of this name unless it is there."""
    connection.execute(insert_or_ignore(connection, mailing_folder).values(brand_id=brand_id, name=name))


def names(connection: Connection, brand_id: int) -> list[str]:
    """The brand's folders in order of their names."""
    t = mailing_folder.c
    return list(connection.scalars(sa.select(t.name).where(t.brand_id == brand_id).order_by(t.name)))


def ensure_code(connection: Connection, brand_id: int, code: str) -> None:
    """Makes the accounting code unless it is there."""
    connection.execute(insert_or_ignore(connection, accounting_code).values(brand_id=brand_id, code=code))


def codes(connection: Connection, brand_id: int) -> list[str]:
    """The brand's accounting codes in their order."""
    t = accounting_code.c
    return list(connection.scalars(sa.select(t.code).where(t.brand_id == brand_id).order_by(t.code)))
