"""Do the properties of identity.md section 14 hold through the services, on a real database?

Each example gets a brand of its own in one database, so that brands are always beside each other.
"""

from __future__ import annotations

import itertools

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.db.models import metadata
from gateway.db.queries.bulk import among
from gateway.domain.paging import PageRequest
from gateway.domain.records import Identifier, StatusEntry, SubscriberFilter
from gateway.services import subscribers, suppression
from tests.support.brands import Brands, told
from tests.support.pushes import ADDRESSES, plain_records, records

SOME = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
FEW = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
INTEGRATIONS = ("api", "ams")

pushes = st.lists(st.tuples(st.sampled_from(INTEGRATIONS), st.lists(records(), max_size=5)), max_size=3)


@pytest.fixture
def brands(sqlite_url, tmp_path):
    with Brands(sqlite_url, tmp_path) as made:
        yield made


@pytest.fixture
def brands_on_postgresql(postgresql_url, tmp_path):
    with Brands(postgresql_url, tmp_path) as made:
        yield made


def check_unchanged(brands, history, record):
    brand_id = brands.brand()
    for integration, given_records in history:
        brands.push(brand_id, given_records, integration)
    (first,) = brands.push(brand_id, [record])
    before = brands.state(brand_id)
    brands.clock.advance(seconds=1)
    (again,) = brands.push(brand_id, [record])
    if first.status in ("created", "adopted", "updated", "unchanged"):
        assert (again.status, again.subscriber_id) == ("unchanged", first.subscriber_id)
    assert brands.state(brand_id) == before


@SOME
@given(history=pushes, record=records())
def test_the_same_record_again_is_unchanged(brands, history, record):
    """ID-P1."""
    check_unchanged(brands, history, record)


@FEW
@given(history=pushes, record=records())
def test_the_same_record_again_is_unchanged_on_postgresql(brands_on_postgresql, history, record):
    """ID-P1."""
    check_unchanged(brands_on_postgresql, history, record)


def check_chunks(brands, history, batch, chunk):
    whole, cut = brands.brand(), brands.brand()
    for brand_id in (whole, cut):
        for integration, given_records in history:
            brands.push(brand_id, given_records, integration)
    assert told(brands.push(whole, batch)) == told(brands.push(cut, batch, chunk=chunk))
    assert brands.state(whole) == brands.state(cut)


@SOME
@given(history=pushes, batch=st.lists(records(), max_size=10), chunk=st.integers(1, 5))
def test_chunks_change_nothing(brands, history, batch, chunk):
    """ID-P2; and the same history in two brands ends in the same state, so neither sees the other (ID-P15)."""
    check_chunks(brands, history, batch, chunk)


@FEW
@given(history=pushes, batch=st.lists(records(), max_size=10), chunk=st.integers(1, 5))
def test_chunks_change_nothing_on_postgresql(brands_on_postgresql, history, batch, chunk):
    """ID-P2, ID-P15."""
    check_chunks(brands_on_postgresql, history, batch, chunk)


acts = st.lists(st.one_of(
    st.tuples(st.just("push"), st.sampled_from(INTEGRATIONS), st.lists(plain_records(), min_size=1, max_size=4)),
    st.tuples(st.just("opt out"), st.sampled_from(ADDRESSES), st.none())), min_size=2, max_size=7)


def check_suppression(brands, history):
    """Plays a history; after each act nobody who opted out, and no address that did, is sendable or forgotten."""
    brand_id = brands.brand()
    other = brands.brand()
    untouched = brands.state(other)
    addresses, people = set(), set()
    for kind, name, given_records in history:
        if kind == "push":
            brands.push(brand_id, given_records, name)
        else:
            with brands.unit(brands.speaker(brand_id)) as unit:
                suppression.unsubscribe(unit, [StatusEntry(Identifier(email=name))])
            addresses.add(name)
            people |= {view.subscriber_id for view in everybody(brands, brand_id) if view.email == name}
        people = {survivor(brands, brand_id, number) for number in people}
        for view in everybody(brands, brand_id):
            blocked = view.email in addresses or view.subscriber_id in people
            assert view.sendable != blocked
            assert ("opt_out" in view.blocked_by) == blocked
    check_uniqueness(brands, brand_id)
    assert brands.state(other) == untouched


def everybody(brands, brand_id):
    with brands.gateway.feed(brands.speaker(brand_id)) as unit:
        upper = brands.clock.advance(seconds=1)
        return subscribers.find(unit_at(unit, upper), SubscriberFilter(), PageRequest(5000)).items


def unit_at(unit, now):
    unit.now = now
    return unit


def survivor(brands, brand_id, number):
    with brands.reading(brands.speaker(brand_id)) as unit:
        merged_into = subscribers.get(unit, Identifier(subscriber_id=number)).merged_into
    return number if merged_into is None else merged_into


def check_uniqueness(brands, brand_id):
    """ID-P6."""
    rows = brands.state(brand_id)["subscriber"]
    living = [row for row in rows if row["merged_into"] is None]
    for row in living:
        if row["keyless"]:
            assert [other for other in living if other["email"] == row["email"]] == [row]
    keys = [(row["integration_id"], row["remote_id"]) for row in brands.state(brand_id)["remote_key"]]
    assert len(keys) == len(set(keys))


@SOME
@given(history=acts)
def test_no_import_reactivates_anybody(brands, history):
    """ID-P7, ID-P6, ID-P15."""
    check_suppression(brands, history)


@FEW
@given(history=acts)
def test_no_import_reactivates_anybody_on_postgresql(brands_on_postgresql, history):
    """ID-P7, ID-P6, ID-P15."""
    check_suppression(brands_on_postgresql, history)


def test_lists_of_any_length_travel_as_one_parameter(brands_on_postgresql, brands):
    """Thirty thousand keys in one statement, on both databases."""
    for world in (brands, brands_on_postgresql):
        t = metadata.tables["remote_key"].c
        with world.reading() as unit:
            wanted = [str(number) for number in itertools.chain(range(70_000), ["it's", '"', "\u00e4", "\\"])]
            query = sa.select(t.id).where(among(unit.connection, t.remote_id, wanted))
            assert unit.connection.execute(query).all() == []
