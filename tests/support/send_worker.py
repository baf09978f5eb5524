"""A worker process to be killed: works on one instance until it is sent, then exits 0.

``python -m tests.support.send_worker DATABASE_URL SMTP_URL INSTANCE`` prints ``ready`` before it begins.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from gateway.db.engine import create_engine
from gateway.db.queries import instances
from gateway.domain.accounts import system_actor
from gateway.domain.tokens import Keys
from gateway.services import sending
from gateway.services.gateway import Gateway
from gateway.services.lanes import Pace
from gateway.settings import Settings
from tests.support.world import SECRET

CONNECTIONS = 4
PACE = Pace(connections=CONNECTIONS, batch=25, group=8, lease_s=1.0, run_s=20.0)


def main() -> None:
    """Runs ``run_instance`` again and again, as rings and sweeps would."""
    database_url, smtp_url, instance = sys.argv[1:]
    settings = Settings(data_dir=Path("data"), database_url=database_url, broker_url="",
                        public_url="http://127.0.0.1:8080", smtp_url=smtp_url, secret_key=SECRET)
    gateway = Gateway(settings, create_engine(database_url), Keys.from_secret(SECRET))
    print("ready", flush=True)
    while True:
        sending.run_instance(gateway, 1, int(instance), PACE)
        with gateway.reading(system_actor(1)) as unit:
            found = instances.get(unit.connection, 1, int(instance))
        if found is not None and found.state == "sent":
            return
        time.sleep(0.05)


if __name__ == "__main__":
    main()
