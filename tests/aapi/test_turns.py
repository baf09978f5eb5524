"""Who waits for whom, when a document changes people and mailings in any order? (aapi.md section 5)"""

import threading

import pytest
import sqlalchemy as sa

from gateway.domain.accounts import system_actor
from gateway.services import documentaccounts, lifecycle, publishing
from tests.aapi.door import Door
from tests.aapi.test_on_hold import hold, states
from tests.aapi.test_schedule_mailing import MAILING, interested, publish
from tests.support.waiting import wait_for

WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


@pytest.fixture
def ready(postgresql_url, tmp_path, clock):
    """Mailing 1 is due."""
    made = Door(postgresql_url, clock=clock, data_dir=tmp_path)
    made.actions(interested("News"), MAILING, publish(1, at="2001-01-01"))
    yield made
    made.close()


def freeze(door):
    lifecycle.advance(door.gateway, system_actor(1), 1)


def document(door):
    door.actions(hold(1), interested("News"))


def someone_waits(door):
    with door.gateway.engine.connect() as connection:
        return connection.scalar(sa.text(WAITING)) > 0


@pytest.mark.parametrize("beside", [freeze, document])
def test_a_document_that_changed_people_can_put_a_mailing_on_hold(ready, beside):
    """While its audience is frozen, or another document goes the other way: neither waits for what the other has."""
    ready.user("sender")
    failed = []

    def run():
        try:
            beside(ready)
        except Exception as error:  # told below
            failed.append(error)

    with ready.gateway.unit(ready.actor()) as unit:
        documentaccounts.take_turn(unit)
        other = threading.Thread(target=run)
        other.start()
        wait_for(lambda: someone_waits(ready), "whoever wants the turn")
        assert publishing.hold(unit, [1]) == 1
    other.join(30)
    assert not other.is_alive() and failed == []
    assert states(ready) == ["paused"]
