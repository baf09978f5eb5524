"""A process for kill tests: ``python -m tests.support.switch_worker DATABASE_URL DATA_DIR FINGERPRINT CHUNK``.

Says ``ready`` on its output, then switches One-to-Many on in brand 1 until that is done or somebody kills it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from gateway.clock import system_clock
from gateway.domain.accounts import system_actor
from gateway.services import onetomany
from tests.support.world import World


def main(url: str, data_dir: str, fingerprint: str, chunk: str) -> None:
    """Calls ``switch_on`` once; it takes chunks of so many addresses."""
    onetomany.CHUNK_ADDRESSES = int(chunk)
    with World(url, system_clock, Path(data_dir), brands=()) as world:
        print("ready", flush=True)
        onetomany.switch_on(world.gateway, system_actor(1, "cli"), fingerprint)


if __name__ == "__main__":
    main(*sys.argv[1:])
