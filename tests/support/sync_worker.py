"""A worker to kill: does the run that waits, and after the first chunk that it has applied says so and hangs.

``python -m tests.support.sync_worker DATABASE_URL INTEGRATION_ID DATA_DIR CHUNK_ROWS [preview]``: with the last word it
makes a preview instead.
"""

import sys
import time
from pathlib import Path

from gateway.db.engine import create_engine
from gateway.domain.tokens import Keys
from gateway.services import sync
from gateway.services.gateway import Gateway
from gateway.settings import Settings
from tests.support.clocks import SettableClock
from tests.support.world import SECRET


def main(url, integration_id, data_dir, chunk_rows, is_preview):
    sync.CHUNK_ROWS = chunk_rows
    apply = sync.syncrows.apply_rows

    def tried(*args):
        apply(*args)
        print("tried", flush=True)
        time.sleep(600)

    held, real = [], sync.syncruns.hold

    def hold(unit, run):
        if len(held) == 1:  # the first chunk is committed, the second is about to be applied
            print("applied", flush=True)
            time.sleep(600)
        real(unit, run)
        held.append(True)

    sync.syncruns.hold = hold
    settings = Settings(data_dir=data_dir, database_url=url, broker_url="", public_url="", smtp_url="",
                        secret_key=SECRET)
    gateway = Gateway(settings, create_engine(url), Keys.from_secret(SECRET), SettableClock())
    if is_preview:
        sync.syncrows.apply_rows = tried
        sync.run(gateway, 1, integration_id, preview=True)
    sync.run_sync(gateway, 1, integration_id)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]), sys.argv[5:] == ["preview"])
