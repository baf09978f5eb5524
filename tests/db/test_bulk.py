"""Do the set-based reads and writes store exactly what they are given, on both databases?"""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa

from gateway.db.engine import begin, create_engine, read
from gateway.db.models.subscribers import address_status, subscriber
from gateway.db.queries.bulk import among, array_literal, insert_rows, not_among, update_rows
from gateway.db.queries.identities import new_ids
from gateway.domain.records import ImportOptions, SubscriberRecord
from gateway.services import imports
from tests.support.world import World

NOW = dt.datetime(2026, 1, 15, 12, 0, 0, 123000, tzinfo=dt.UTC)
ODD = ["it's", 'say "x"', "a\tb\nc\\d", "\u00e4\u20ac\U0001f600", "100%", "%(x)s", "\\N", ""]


@pytest.fixture
def world(database_url, tmp_path):
    with World(database_url, data_dir=tmp_path) as made:
        yield made


def stored(world):
    t = address_status.c
    with read(world.gateway.engine) as connection:
        return [tuple(row) for row in connection.execute(
            sa.select(t.email, t.opted_out_at, t.opt_out_reason, t.hard_in_a_row).order_by(t.email))]


def test_odd_text_instants_and_nulls_come_back_as_they_went(world):
    names = ("opted_out_at", "email", "brand_id", "opt_out_reason")  # in any order, with defaults for the others
    rows = [(NOW if at % 2 else None, f"p{at}@example.org", 1, text) for at, text in enumerate(ODD)]
    with begin(world.gateway.engine) as connection:
        insert_rows(connection, address_status, names, rows)
        insert_rows(connection, address_status, names, [])
    assert stored(world) == [(email, moment, text, 0) for moment, email, _, text in rows]


def test_updates_reach_the_rows_of_their_keys(world):
    with begin(world.gateway.engine) as connection:
        insert_rows(connection, address_status, ("brand_id", "email"), [(1, "a@x.org"), (1, "b@x.org"), (1, "c@x.org")])
        update_rows(connection, address_status, ("brand_id", "email"), ("opted_out_at", "opt_out_reason"),
                    [(1, "a@x.org", NOW, ODD[4]), (1, "c@x.org", None, ODD[5]), (1, "nobody@x.org", NOW, "")])
        update_rows(connection, address_status, ("email",), ("opt_out_reason",), [])
    assert stored(world) == [("a@x.org", NOW, ODD[4], 0), ("b@x.org", None, None, 0), ("c@x.org", None, ODD[5], 0)]


def test_keys_travel_as_one_parameter(world):
    many = [*ODD, *map(str, range(70_000))]
    with begin(world.gateway.engine) as connection:
        insert_rows(connection, address_status, ("brand_id", "email"), [(1, text) for text in (*ODD, "other")])
        column = address_status.c.email
        for condition, expected in ((among(connection, column, many), sorted(ODD)),
                                    (not_among(connection, column, many), ["other"]),
                                    (among(connection, column, []), []), (not_among(connection, column, ["x"]),
                                                                          sorted([*ODD, "other"]))):
            assert sorted(connection.scalars(sa.select(column).where(condition))) == expected


def test_ids_are_never_given_twice(world):
    """Section 1: a subscriber's id is never reused, not even after its row is gone."""
    with world.unit() as unit:
        imports.import_records(unit, [SubscriberRecord("1", "a@x.org"), SubscriberRecord("2", "b@x.org")],
                               ImportOptions())
        last = unit.connection.scalar(sa.select(sa.func.max(subscriber.c.id)))
        ids = list(new_ids(unit.connection, 3))
    assert ids == sorted(set(ids)) and min(ids) > last


def test_ids_differ_within_a_dry_run_and_after_it(world):
    """PUSH-56: what a dry run numbered is free again or lost, never in use twice."""
    for dry_run in (True, False, True, False):
        with world.unit() as unit:
            records = [SubscriberRecord(None, f"{dry_run}@x.org"), SubscriberRecord(None, "b@x.org")]
            imports.import_records(unit, records, ImportOptions(dry_run=dry_run))
    with read(world.gateway.engine) as connection:
        ids = list(connection.scalars(sa.select(subscriber.c.id)))
    assert len(ids) == len(set(ids)) == 2


@pytest.mark.parametrize("values", [ODD, [text.replace("\n", "") for text in ODD], [None, *ODD], [""], [None], ["NULL"],
                                    ["{a,b}", " "]])
def test_an_array_comes_back_as_it_went(values, postgres_url):
    """Written as one text, whatever its items look like; empty ones, too."""
    numbers = list(range(len(values)))
    engine = create_engine(postgres_url)
    with read(engine) as connection:
        for column, kind in ((values, "text"), (numbers, "int"), ([], "text")):
            assert connection.scalar(sa.text(f"SELECT CAST(:it AS {kind}[])"), {"it": array_literal(column)}) == column
    engine.dispose()
