"""What does the store know of an integration's links? (ID-65, ID-69..71)"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.engine import is_postgresql
from gateway.db.models.accounts import source
from gateway.db.models.subscribers import interest, interest_opt_out, membership, remote_key, subscriber
from gateway.db.queries.bulk import among, array_literal
from gateway.domain import sync as rules
from gateway.domain.merge import NATIVE

# Each key is looked up by itself, through indexes, whatever the planner thinks of tables without statistics: it can
# make no join of a lateral that has a limit, and hash no subquery that gives a value, as it does EXISTS.
_LISTED = """
SELECT w.value, s.email, k.do_not_email, k.ended_at IS NULL, k.id, k.subscriber_id, {quiet} FROM json_each(:keys) AS w
CROSS JOIN remote_key AS k ON k.brand_id = :brand AND k.integration_id = :integration AND k.remote_id = w.value
CROSS JOIN subscriber AS s ON s.id = k.subscriber_id"""
_UNNESTED = """
SELECT w.value, s.email, k.do_not_email, k.ended_at IS NULL, k.id, k.subscriber_id, {quiet}
FROM unnest(CAST(:keys AS text[])) AS w(value)
CROSS JOIN LATERAL (SELECT * FROM remote_key AS r WHERE r.brand_id = :brand AND r.integration_id = :integration
                    AND r.remote_id = w.value LIMIT 1) AS k
CROSS JOIN LATERAL (SELECT * FROM subscriber AS p WHERE p.id = k.subscriber_id LIMIT 1) AS s"""
# Of the address: no fact of its own, nobody known by it alone, and no flag of anybody who has it
_QUIET = """
k.ended_at IS NULL AND NOT s.orphan AND s.opted_out_at IS NULL AND s.merged_into IS NULL
AND COALESCE(s.last_upload_id, -1) <> :upload
AND (SELECT 1 FROM address_status AS a WHERE a.brand_id = :brand AND a.email = s.email) IS NULL
AND (SELECT 1 FROM subscriber AS n WHERE n.brand_id = :brand AND n.email = s.email AND n.merged_into IS NULL
     AND (n.keyless OR (SELECT 1 FROM remote_key AS f WHERE f.subscriber_id = n.id AND f.do_not_email LIMIT 1) = 1)
     LIMIT 1) IS NULL"""


class KeyState(NamedTuple):
    """What the store knows of a remote key. ``is_live``: the link has not ended.

    ``is_quiet``: a row that says the same as is stored would do nothing to this person, and there is nothing to warn
    of: nobody to merge, no link to revive, no status, no flag at the address, not changed by the same upload before.
    A tuple, for millions are made.
    """

    email: str | None
    is_flagged: bool
    is_live: bool
    key_id: int
    subscriber_id: int
    is_quiet: bool


def key_states(connection: Connection, brand_id: int, integration_id: int, keys: Sequence[str],
               upload_id: int | None = None) -> dict[str, KeyState]:
    """What is known of these remote IDs; unknown ones are absent. Without an ``upload_id`` none is quiet."""
    if not keys:
        return {}
    here = is_postgresql(connection)
    query = (_UNNESTED if here else _LISTED).format(quiet="FALSE" if upload_id is None else _QUIET)
    values = {"keys": array_literal(keys) if here else json.dumps(keys), "brand": brand_id,
              "integration": integration_id} | ({} if upload_id is None else {"upload": upload_id})
    rows = connection.execute(sa.text(query), values).all()
    return {key: KeyState(email, flag == 1, live == 1, key_id, subscriber_id, quiet == 1)
            for key, email, flag, live, key_id, subscriber_id, quiet in rows}


def lists_of(connection: Connection, source_id: int, subscriber_ids: Sequence[int]) -> dict[int, set[str]]:
    """The interests that these people are in by what the source listed of them; who is in none is absent."""
    m, found = membership.c, {}  # type: ignore[var-annotated]
    for subscriber_id, name in connection.execute(
            sa.select(m.subscriber_id, interest.c.name).join_from(membership, interest, interest.c.id == m.interest_id)
            .where(among(connection, m.subscriber_id, subscriber_ids), m.source_id == source_id, m.channel == NATIVE,
                   m.until.is_(None))).all():
        found.setdefault(subscriber_id, set()).add(name)
    return found


def who_left(connection: Connection, subscriber_ids: Sequence[int]) -> set[int]:
    """Those of the people who have left any interest by their own act (ID-39)."""
    o = interest_opt_out.c
    return set(connection.scalars(sa.select(o.subscriber_id).where(among(connection, o.subscriber_id, subscriber_ids))))


def keys_at(connection: Connection, brand_id: int, integration_id: int, emails: Sequence[str]) -> dict[str, list[str]]:
    """The live remote IDs of the integration at each of these addresses."""
    found: dict[str, list[str]] = {}
    for email, remote_id in connection.execute(
            sa.select(subscriber.c.email, remote_key.c.remote_id)
            .join_from(subscriber, remote_key, remote_key.c.subscriber_id == subscriber.c.id)
            .where(subscriber.c.brand_id == brand_id, among(connection, subscriber.c.email, emails),
                   subscriber.c.merged_into.is_(None), *_of(brand_id, integration_id),
                   remote_key.c.ended_at.is_(None))):
        found.setdefault(email, []).append(remote_id)
    return found


def lists_at(connection: Connection, brand_id: int, integration_id: int, emails: Sequence[str]) -> dict[str, list[str]]:
    """The interests that the records at each of these addresses are in by what the integration listed of them."""
    m, found = membership.c, {}  # type: ignore[var-annotated]
    for email, name in connection.execute(
            sa.select(subscriber.c.email, interest.c.name)
            .join_from(subscriber, membership, m.subscriber_id == subscriber.c.id)
            .join(interest, interest.c.id == m.interest_id).join(source, source.c.id == m.source_id)
            .where(subscriber.c.brand_id == brand_id, among(connection, subscriber.c.email, emails),
                   subscriber.c.merged_into.is_(None), source.c.kind == "integration",
                   source.c.integration_id == integration_id, m.channel == NATIVE, m.until.is_(None))):
        found.setdefault(email, []).append(name)
    return found


def count_links(connection: Connection, brand_id: int, integration_id: int) -> int:
    """How many live links the integration has."""
    return connection.execute(sa.select(sa.func.count()).select_from(remote_key).where(
        *_of(brand_id, integration_id), remote_key.c.ended_at.is_(None))).scalar_one()


def links(connection: Connection, brand_id: int, integration_id: int, made_until: dt.datetime | None,
          now: dt.datetime, after: str, limit: int) -> list[tuple[int, str]]:
    """(id, remote ID) of live links, of those made until then if it is given, whose remote IDs come after ``after``; in
    the order of the database's own index, so that a page costs no more than its rows.

    One made later than ``now`` was made by a clock that was wrong, so long ago as its number says.
    """
    query = (sa.select(remote_key.c.id, remote_key.c.remote_id)
             .where(*_of(brand_id, integration_id), remote_key.c.ended_at.is_(None), remote_key.c.remote_id > after)
             .order_by(remote_key.c.remote_id).limit(limit))
    if made_until is not None:
        query = query.where(sa.or_(remote_key.c.created_at <= made_until,
                                   remote_key.c.created_at > now + rules.CLOCK_TOLERANCE))
    return [(link_id, remote_id) for link_id, remote_id in connection.execute(query).all()]


def _of(brand_id: int, integration_id: int) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return remote_key.c.brand_id == brand_id, remote_key.c.integration_id == integration_id
