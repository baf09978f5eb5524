"""Is one person found by index, however many others the brand has? (PUSH-36, ID-79, SOAP-65)"""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa

from gateway.domain.accounts import ADMIN
from gateway.domain.paging import PageRequest
from gateway.domain.records import Identifier, ImportOptions, SubscriberFilter, SubscriberRecord
from gateway.services import explain, history, imports, subscribers
from tests.support.world import World

ONE = Identifier(subscriber_id=1)
_BY_THE_BRAND = ("ix_membership_since (brand_id=?", "ix_membership_until (brand_id=?)",
                 "ix_subscriber_brand_email (brand_id=?)", "remote_key_1 (brand_id=?)", "ix_event_feed (brand_id=?")
"""How SQLite says that it reads all that a brand has of something."""


def get(world):
    with world.reading(world.actor(role=ADMIN)) as unit:
        subscribers.get(unit, ONE)


def why(world):
    explain.explain(world.gateway, world.actor(role=ADMIN), ONE)


def what_happened(world):
    with world.gateway.feed(world.actor(role=ADMIN)) as unit:
        history.find(unit, ONE, None, None, PageRequest())


def page(world):
    with world.gateway.feed(world.actor(role=ADMIN)) as unit:
        subscribers.find(unit, SubscriberFilter(since=unit.now - dt.timedelta(days=1)), PageRequest())


def statements(act, sqlite_url, tmp_path):
    """The plans of all that ``act`` asks of a store with one person."""
    plans = []
    with World(sqlite_url, data_dir=tmp_path) as world:
        with world.unit() as unit:
            imports.import_records(unit, [SubscriberRecord("17", "ann@example.org")],
                                   ImportOptions(interests=("News",)))
        asked = []

        def note(_connection, _cursor, statement, parameters, *_):
            if statement.startswith(("SELECT", "WITH")):
                asked.append((statement, parameters))
        sa.event.listen(world.gateway.engine, "before_cursor_execute", note)
        act(world)
        sa.event.remove(world.gateway.engine, "before_cursor_execute", note)
        with world.gateway.engine.connect() as connection:
            for statement, parameters in asked:
                plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
                plans.append((statement, plan))
    assert plans
    return plans


@pytest.mark.parametrize("act", [get, why, what_happened])
def test_no_statement_reads_the_whole_brand(act, sqlite_url, tmp_path):
    """With a million others, a scan takes seconds."""
    for statement, plan in statements(act, sqlite_url, tmp_path):
        assert not [step for step in plan if any(name in step for name in _BY_THE_BRAND)], statement


def test_a_page_of_people_is_read_in_the_order_of_an_index(sqlite_url, tmp_path):
    """SOAP-44, SOAP-68: a page must not sort everybody, else all pages of a million people take hours."""
    plans = [plan for statement, plan in statements(page, sqlite_url, tmp_path)
             if "subscriber.changed_at <" in statement]
    assert len(plans) == 1
    assert any("ix_subscriber_brand_changed" in step for step in plans[0]), plans
    assert not any("USE TEMP B-TREE FOR ORDER BY" in step for step in plans[0]), plans
