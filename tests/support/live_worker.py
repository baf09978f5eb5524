"""A worker of its own whose foreign system is a sentence: it tells of everybody what their remote ID says.

``python -m tests.support.live_worker DATABASE_URL SMTP_URL DATA_DIR INSTANCE_ID`` sends until it is done or killed.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from pathlib import Path

from gateway.bridges import registry
from gateway.db.engine import create_engine
from gateway.domain.tokens import Keys
from gateway.domain.writeback import KINDS
from gateway.services import sending
from gateway.services.gateway import Gateway
from gateway.services.sender import Pace
from gateway.settings import Settings
from tests.support.world import SECRET


class Sentences:
    """A bridge that answers at once."""

    fields = frozenset({"City"})
    writes = KINDS

    def fetch(self, remote_ids: Sequence[str], fields: Collection[str], timeout_s: float) -> dict[str, dict[str, str]]:
        """The same for the same people, whoever asks."""
        return {remote_id: {"City": f"city of {remote_id}"} for remote_id in remote_ids}

    def close(self) -> None:
        """Nothing to let go of."""


def main() -> None:
    """Sends one instance."""
    database_url, smtp_url, data_dir, instance_id = sys.argv[1:]
    registry.FACTORIES["memory"] = lambda config: Sentences()
    settings = Settings(data_dir=Path(data_dir), database_url=database_url, broker_url="", smtp_url=smtp_url,
                        public_url="http://127.0.0.1:8080", secret_key=SECRET)
    gateway = Gateway(settings, create_engine(database_url), Keys.from_secret(SECRET))
    sending.run_instance(gateway, 1, int(instance_id), Pace(connections=2, batch=40, lease_s=30.0))


if __name__ == "__main__":
    main()
