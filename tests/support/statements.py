"""How do thousands of databases in one test process get by with compiling each statement once?"""

from __future__ import annotations

import types
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Engine

from gateway.db import engine as product


def share() -> None:
    """Lets all engines of the gateway in this process share one dialect of each kind, and what it has compiled.

    SQLAlchemy keeps compiled statements per engine, and every test has an engine of its own: without this, compiling
    is an eighth of a test. Engines of foreign databases (the AMS's) are left alone.
    """
    first: dict[str, Engine] = {}

    def create_engine(url: str, **options: Any) -> Engine:
        made = sa.create_engine(url, **options)
        kind = made.dialect.name
        if kind in first:
            made.dialect, made._compiled_cache = first[kind].dialect, first[kind]._compiled_cache
        else:  # its dialect is finished when it has seen its server
            event.listen(made, "connect", lambda *_: first.setdefault(kind, made), once=True)
        return made

    product.sa = types.SimpleNamespace(create_engine=create_engine)
