"""Is the schema up to date? Runs the Alembic revisions of ``gateway/db/migrations``."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Connection, Engine

from gateway.db.engine import begin, read

MIGRATIONS = Path(__file__).parent / "migrations"


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Creates or upgrades the schema in one transaction; running it again changes nothing."""
    with begin(engine) as connection:
        upgrade_within(connection, revision)


def upgrade_within(connection: Connection, revision: str = "head") -> None:
    """Creates or upgrades the schema in the caller's transaction."""
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def current(engine: Engine) -> str | None:
    """The revision that the database is at, or None when it is empty."""
    with read(engine) as connection:
        return MigrationContext.configure(connection).get_current_revision()


def is_known(revision: str) -> bool:
    """Whether this code knows how to come from a revision to its own."""
    return any(script.revision == revision for script in ScriptDirectory.from_config(_config()).walk_revisions())


@cache
def head() -> str | None:
    """The revision that this code needs; it is looked up once."""
    return ScriptDirectory.from_config(_config()).get_current_head()
