"""How many bounces in a row has an address had? (SEND-55)"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.models.subscribers import address_status
from gateway.db.queries.events import insert_or_ignore
from gateway.domain.delivery import Streak


def get(connection: Connection, brand_id: int, email: str) -> Streak:
    """The stored streak; an address that nothing is known of has none."""
    a = address_status.c
    row = connection.execute(
        sa.select(a.hard_in_a_row, a.soft_in_a_row, a.first_soft_at).where(a.brand_id == brand_id, a.email == email)
    ).first()
    return Streak() if row is None else Streak(*row)


def put(connection: Connection, brand_id: int, email: str, streak: Streak) -> None:
    """Stores the streak."""
    a = address_status.c
    connection.execute(insert_or_ignore(connection, address_status).values(brand_id=brand_id, email=email))
    connection.execute(
        sa.update(address_status).where(a.brand_id == brand_id, a.email == email)
        .values(hard_in_a_row=streak.hard, soft_in_a_row=streak.soft, first_soft_at=streak.first_soft_at))


def reset(connection: Connection, brand_id: int, email: str) -> None:
    """Breaks the row: the address has proved to be good (SEND-56)."""
    a = address_status.c
    connection.execute(
        sa.update(address_status)
        .where(a.brand_id == brand_id, a.email == email, sa.or_(a.hard_in_a_row > 0, a.soft_in_a_row > 0))
        .values(hard_in_a_row=0, soft_in_a_row=0, first_soft_at=None))
