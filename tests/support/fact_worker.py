"""A worker to kill: unsubscribes Ann, says that her writeback is written, and hangs before the commit.

``python -m tests.support.fact_worker DATABASE_URL DATA_DIR``
"""

import sys
import time
from pathlib import Path

from gateway.db.engine import create_engine
from gateway.domain.accounts import ROLE_SCOPES, Actor
from gateway.domain.records import Identifier, StatusEntry
from gateway.domain.tokens import Keys
from gateway.services import suppression
from gateway.services.gateway import Gateway
from gateway.settings import Settings
from tests.support.clocks import SettableClock
from tests.support.world import SECRET


def main(url: str, data_dir: str) -> None:
    settings = Settings(data_dir=Path(data_dir), database_url=url, broker_url="", public_url="", smtp_url="",
                        secret_key=SECRET)
    gateway = Gateway(settings, create_engine(url), Keys.from_secret(SECRET), SettableClock())
    with gateway.unit(Actor(1, "user:tester", "soap", ROLE_SCOPES["sender"])) as unit:
        assert suppression.unsubscribe(unit, [StatusEntry(Identifier(email="ann@example.org"), None)]).counters.updated
        print("written", flush=True)
        time.sleep(600)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
