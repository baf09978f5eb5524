"""Is the schema up to date? Runs the Alembic revisions of ``gateway/db/migrations``.

Alembic itself is loaded when there is something to do: every command asks for the revision, few change it.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from gateway.db.engine import begin, read

MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Creates or upgrades the schema in one transaction; running it again changes nothing."""
    with begin(engine) as connection:
        upgrade_within(connection, revision)


def upgrade_within(connection: Connection, revision: str = "head") -> None:
    """Creates or upgrades the schema in the caller's transaction."""
    config = import_module("alembic.config").Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    import_module("alembic.command").upgrade(config, revision)


def current(engine: Engine) -> str | None:
    """The revision that the database is at, or None when it is empty."""
    with read(engine) as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        return connection.scalar(sa.text("SELECT version_num FROM alembic_version"))


def is_known(revision: str) -> bool:
    """Whether this code knows how to come from a revision to its own."""
    return revision in _revisions()


def head() -> str:
    """The revision that this code needs."""
    return _revisions()[-1]


@cache
def _revisions() -> list[str]:
    """All revisions, oldest first: their files' names begin with them."""
    return sorted(file.name.partition("_")[0] for file in (MIGRATIONS / "versions").glob("[0-9]*.py"))
