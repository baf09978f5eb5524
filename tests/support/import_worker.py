"""A worker process for kill tests: ``python -m tests.support.import_worker DATABASE_URL DATA_DIR JOB CHUNK LEASE_S``.

Says ``ready`` on its output, then works on one import of brand 1 until that has ended or somebody kills it.
"""

from __future__ import annotations

import datetime as dt
import sys
import time
from pathlib import Path

from gateway.clock import system_clock
from gateway.db.engine import read
from gateway.services import uploadruns
from tests.support.world import World


def main(url: str, data_dir: str, upload_id: str, chunk: str, lease_s: str) -> None:
    """Calls ``run_import`` until the job has ended; another worker's lease is waited for."""
    uploadruns.CHUNK_ROWS, uploadruns.LEASE = int(chunk), dt.timedelta(seconds=float(lease_s))
    with World(url, system_clock, Path(data_dir), brands=()) as world:
        print("ready", flush=True)
        while not ended(world, int(upload_id)):
            uploadruns.run_import(world.gateway, 1, int(upload_id))
            time.sleep(0.01)


def ended(world: World, upload_id: int) -> bool:
    """Whether the job has come to its end."""
    with read(world.gateway.engine) as connection:
        return connection.exec_driver_sql(
            f"SELECT finished_at IS NOT NULL FROM upload WHERE id = {upload_id}").scalar()


if __name__ == "__main__":
    main(*sys.argv[1:])
