"""What does the store know of rows that are read column by column, and how are new people written in columns?"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.engine import is_postgresql
from gateway.db.models.subscribers import membership, remote_key, source_values, subscriber
from gateway.db.queries.bulk import array_literal, insert_columns

_STAGE = sa.Table(
    "incoming", sa.MetaData(),
    sa.Column("at", sa.Integer, primary_key=True),
    sa.Column("remote_id", sa.Text), sa.Column("email", sa.Text), sa.Column("document", sa.Text))
_MAKE = ('CREATE TEMPORARY TABLE IF NOT EXISTS incoming ("at" INTEGER PRIMARY KEY, remote_id TEXT, email TEXT, '
         'document TEXT)')
_ARRAYS = ('unnest(CAST(:at AS int[]), CAST(:remote_id AS text[]), CAST(:email AS text[]), CAST(:document AS text[])) '
           'AS i ("at", remote_id, email, document)')

# Each row is looked up by itself, through indexes, whatever the planner thinks of tables without statistics.
_LOOK = """
WITH known AS MATERIALIZED (
  SELECT i."at", i.remote_id, i.email, i.document,
    (SELECT CASE WHEN k.ended_at IS NULL THEN k.subscriber_id ELSE -k.subscriber_id END FROM remote_key k
      WHERE k.brand_id = :brand AND k.integration_id = :integration AND k.remote_id = i.remote_id) AS holder,
    (SELECT CASE count(*) WHEN 0 THEN NULL WHEN 1 THEN min(CASE
         WHEN s.orphan OR s.opted_out_at IS NOT NULL OR s.last_upload_id = :upload THEN -1 ELSE s.id END) ELSE -1 END
       FROM subscriber s WHERE s.brand_id = :brand AND s.email = i.email AND s.merged_into IS NULL) AS here
  FROM {incoming})
SELECT n."at", n.holder, n.here,
  EXISTS (SELECT 1 FROM address_status a WHERE a.brand_id = :brand AND a.email = n.email) AS facts,
  CASE WHEN n.here > 0 AND (n.remote_id IS NULL OR n.holder = n.here) THEN
    COALESCE((SELECT v.document FROM source_values v WHERE v.subscriber_id = n.here AND v.source_id = :source), '')
        = n.document
      AND NOT EXISTS (SELECT 1 FROM remote_key f WHERE f.subscriber_id = n.here AND f.do_not_email)
      {members} END AS same
FROM known n"""
_MEMBER = """
      AND EXISTS (SELECT 1 FROM membership m WHERE m.subscriber_id = n.here AND m.interest_id = {0}
                   AND m.source_id = :source AND m.channel = 'native' AND m.until IS NULL)
      AND NOT EXISTS (SELECT 1 FROM interest_opt_out o WHERE o.subscriber_id = n.here AND o.interest_id = {0})"""


@dataclass(frozen=True, slots=True)
class Sender:
    """For whom rows are looked up and written. ``interest_ids``: what everybody joins."""

    brand_id: int
    integration_id: int
    value_source_id: int
    upload_source_id: int
    upload_id: int
    interest_ids: tuple[int, ...]


def look(connection: Connection, sender: Sender, places: Sequence[int], remote_ids: Sequence[str | None],
         emails: Sequence[str | None], documents: Sequence[str | None],
         ) -> Sequence[sa.Row[tuple[int, int | None, int | None, bool, bool | None]]]:
    """(place, holder, here, facts, same) of every row, in any order.

    ``holder``: who has the remote ID, negative when the link has ended. ``here``: the one live record at the
    address, None without one, -1 for several, or for one of whom there is something to warn. ``facts``: something is
    known of the address. ``same``: the row would change nothing of that one record and has nothing to warn of.
    """
    columns = {"at": places, "remote_id": remote_ids, "email": emails, "document": documents}
    arrays: dict[str, str] = {}
    if is_postgresql(connection):
        arrays = {name: array_literal(column) for name, column in columns.items()}
    else:
        connection.exec_driver_sql(_MAKE)
        connection.exec_driver_sql("DELETE FROM incoming")
        insert_columns(connection, _STAGE, columns, {})
    members = "".join(_MEMBER.format(int(interest_id)) for interest_id in sender.interest_ids)
    incoming = _ARRAYS if arrays else "incoming i"
    return connection.execute(sa.text(_LOOK.format(incoming=incoming, members=members)), {
        "brand": sender.brand_id, "integration": sender.integration_id, "source": sender.value_source_id,
        "upload": sender.upload_id, **arrays}).all()


def create(connection: Connection, sender: Sender, ids: Sequence[int], remote_ids: Sequence[str | None],
           emails: Sequence[str], documents: Sequence[str], now: dt.datetime) -> None:
    """Writes new people with their remote keys, values and memberships; nobody has these keys or addresses."""
    everywhere = {"brand_id": sender.brand_id}
    for keyless, source_id in ((False, sender.value_source_id), (True, sender.upload_source_id)):
        chosen = [at for at, remote_id in enumerate(remote_ids) if (remote_id is None) == keyless]
        if not chosen:
            continue
        insert_columns(connection, subscriber, {"id": _of(ids, chosen), "email": _of(emails, chosen)}, {
            **everywhere, "keyless": keyless, "source_id": source_id, "first_source_id": source_id,
            "last_upload_id": sender.upload_id, "created_at": now, "changed_at": now})
        if not keyless:
            insert_columns(connection, remote_key, {
                "remote_id": _of(remote_ids, chosen), "subscriber_id": _of(ids, chosen)},
                {**everywhere, "integration_id": sender.integration_id, "created_at": now})
    valued = [at for at, document in enumerate(documents) if document]
    insert_columns(connection, source_values, {"subscriber_id": _of(ids, valued), "document": _of(documents, valued)},
                   {**everywhere, "source_id": sender.value_source_id, "changed": "{}", "changed_at": now})
    for interest_id in sender.interest_ids:
        insert_columns(connection, membership, {"subscriber_id": ids}, {
            **everywhere, "interest_id": interest_id, "source_id": sender.value_source_id, "channel": "native",
            "since": now})


def _of(values: Sequence[Any], places: Sequence[int]) -> Sequence[Any]:
    return values if len(places) == len(values) else [values[at] for at in places]
