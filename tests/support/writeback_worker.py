"""A worker to kill: writes the first row into the foreign system, says so, and hangs before it can note that.

``python -m tests.support.writeback_worker DATABASE_URL INTEGRATION_ID DATA_DIR``
"""

import sys
import time
from pathlib import Path

from gateway.bridges import registry
from gateway.bridges.sql.bridge import SqlBridge
from gateway.db.engine import create_engine
from gateway.domain.tokens import Keys
from gateway.services.gateway import Gateway
from gateway.services.writebacks import run_writebacks
from gateway.settings import Settings
from tests.support.clocks import SettableClock
from tests.support.world import SECRET


class HangingBridge(SqlBridge):
    """Really writes, then never returns."""

    def write_back(self, item):
        super().write_back(item)
        print("written", flush=True)
        time.sleep(600)


def main(url, integration_id, data_dir):
    registry.FACTORIES["sql"] = HangingBridge.from_config
    from_env = Settings(data_dir=data_dir, database_url=url, broker_url="", public_url="", smtp_url="",
                        secret_key=SECRET)
    gateway = Gateway(from_env, create_engine(url), Keys.from_secret(SECRET), SettableClock())
    run_writebacks(gateway, 1, integration_id)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
