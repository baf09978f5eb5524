"""Nothing that was answered is lost when a server is killed under load (SEND-47, SEND-50)."""

import datetime as dt
import signal

import pytest
import sqlalchemy as sa

from gateway.db.models.mailings import event
from gateway.domain.accounts import system_actor
from gateway.services import hits, hitspool
from tests.support.hitload import Clients, seed
from tests.support.installation import Installation
from tests.support.waiting import wait_for


@pytest.fixture
def installation(database_url, tmp_path):
    """A gateway with an instance of 50 people and two links; web server only."""
    with Installation(tmp_path / "house", GATEWAY_DATABASE_URL=database_url) as made:
        made.brand(1)
        yield made


def count(gateway):
    with gateway.reading(system_actor(1)) as unit:
        return unit.connection.scalar(sa.select(sa.func.count()).select_from(event))


def test_kill_9_loses_no_answered_hit(installation):
    """SEND-47, SEND-50: every hit that was answered is one event afterwards, however often it is folded."""
    with installation.services() as gateway:
        paths = seed(gateway, 1, 50, ("https://example.org/a", "https://example.org/b"))
    answered = asked = 0
    for _ in range(2):
        server = installation.serve("--no-worker", ready=False)
        clients = Clients(installation.port, paths)
        clients.start()
        wait_for(lambda clients=clients: clients.answered > 500, "hits under load")
        server.send_signal(signal.SIGKILL)
        server.wait()
        clients.join()
        answered, asked = answered + clients.answered, asked + clients.asked
    with installation.services() as gateway:
        hits.fold(gateway, dt.timedelta(0))
        stored = count(gateway)
        assert answered <= stored <= asked
        assert hitspool.waiting_bytes(gateway.hits.folder) == 0
        assert not list(gateway.hits.folder.glob("*.hits")), "what dead processes left is folded and gone"
        assert hits.fold(gateway, dt.timedelta(0)) == 0 and count(gateway) == stored
