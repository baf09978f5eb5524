"""How do we log? A fixed phrase plus fields; never an address, a body or a secret above DEBUG."""

from __future__ import annotations

import json
import logging
import sys
import time


class _Line(logging.Formatter):
    """One line an entry: time, level, logger, phrase, then ``key=value`` fields."""

    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        fields = getattr(record, "fields", None)
        line = super().format(record)
        if fields:
            head, newline, trace = line.partition("\n")
            line = head + "".join(f" {k}={json.dumps(v, default=str)}" for k, v in fields.items()) + newline + trace
        return line


def setup(level: int = logging.INFO) -> None:
    """Sends all logging to standard error, once. Spyne stays at WARNING: at DEBUG it logs bodies, SQLAlchemy rows."""
    handler = logging.StreamHandler(sys.stderr)
    formatter = _Line()
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("spyne", "sqlalchemy", "zeep", "alembic", "waitress.queue", "pika"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.getLogger("flufl.bounce").setLevel(logging.CRITICAL)  # it logs tracebacks of mail that it cannot read


def event(logger: logging.Logger, phrase: str, *, level: int = logging.INFO, exc_info: bool = False,
          **fields: object) -> None:
    """Logs ``phrase`` with named fields. The phrase is a constant, so that logs can be counted by it."""
    logger.log(level, phrase, extra={"fields": fields}, exc_info=exc_info)
