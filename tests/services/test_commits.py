"""Several lanes share a commit, and nobody pays for another's error (SEND-12, SEND-16)."""

import threading

import pytest
import sqlalchemy as sa

from gateway.db.models.subscribers import interest
from gateway.errors import GatewayError
from gateway.services.commits import Commits
from tests.support.waiting import wait_for


@pytest.fixture
def commits(house):
    return Commits(house.gateway, house.actor())


def names(house):
    with house.reading() as unit:
        return sorted(unit.connection.scalars(sa.select(interest.c.name)))


def adding(name):
    return lambda unit: unit.connection.execute(
        sa.insert(interest).values(brand_id=1, name=name, created_at=unit.now))


def test_work_is_durable_when_it_returns(house, commits):
    """SEND-16: what was run is committed before the body may start."""
    commits.run(adding("one"))
    assert names(house) == ["one"]


def together(commits, works):
    """Runs the works so that all but the first wait while the first one's transaction is open; their errors."""
    errors = [None] * len(works)
    entered, go_on = threading.Event(), threading.Event()

    def first(unit):
        entered.set()
        assert go_on.wait(20)
        works[0](unit)

    def caller(at, work):
        try:
            commits.run(work)
        except Exception as error:
            errors[at] = error

    threads = [threading.Thread(target=caller, args=(0, first))]
    threads[0].start()
    assert entered.wait(20)
    for at, work in enumerate(works[1:], start=1):
        threads.append(threading.Thread(target=caller, args=(at, work)))
        threads[-1].start()
    if commits._shares:
        wait_for(lambda: len(commits._waiting) == len(works) - 1, "the others to wait")
    go_on.set()
    for thread in threads:
        thread.join(20)
    return errors


def test_those_who_wait_share_one_transaction(house, commits):
    """SEND-12: one wait for the disk serves all who wait (SQLite); PostgreSQL gives each a transaction of its own."""
    seen = []

    def noting(name):
        def work(unit):
            seen.append(id(unit))
            adding(name)(unit)
        return work

    assert together(commits, [noting(name) for name in "abcd"]) == [None] * 4
    assert names(house) == list("abcd")
    if house.gateway.engine.dialect.name == "sqlite":
        assert len(set(seen[1:])) == 1 and len(seen) == 4


def test_an_error_is_its_own_caller_s(house, commits):
    """SEND-12: a piece that fails is rolled back alone; the others of its transaction are stored."""
    def failing(unit):
        adding("never")(unit)
        raise LookupError("mine")

    errors = together(commits, [adding("a"), adding("b"), failing, adding("c")])
    assert [type(error) for error in errors] == [type(None), type(None), LookupError, type(None)]
    assert names(house) == ["a", "b", "c"]


def test_a_store_that_is_away_is_everybody_s_error(house, commits):
    """SEND-12: without a commit no body starts, on any lane."""
    def away(_unit):
        raise GatewayError("UNAVAILABLE", "away", retry_after_s=5)

    errors = together(commits, [adding("a"), away, away])
    assert [getattr(error, "code", None) for error in errors] == [None, "UNAVAILABLE", "UNAVAILABLE"]
    assert names(house) == ["a"]
