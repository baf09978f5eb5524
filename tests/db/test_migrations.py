"""Does the schema that the migrations make fit the tables that the code uses, on both databases?"""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from gateway.db import migrate
from gateway.db.engine import begin, create_engine, read
from gateway.db.models import metadata


def test_migrations_make_exactly_the_tables_of_the_code(engine):
    """A model without its revision, or the other way round, is a difference."""
    with read(engine) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_upgrading_again_changes_nothing(engine):
    """``gateway init`` is safe to repeat."""
    before = migrate.current(engine)
    migrate.upgrade(engine)
    assert migrate.current(engine) == before == migrate.head()


def test_an_empty_database_has_no_revision(tmp_path):
    """``gateway doctor`` can tell an empty database from an old one."""
    engine = create_engine(f"sqlite:///{tmp_path}/empty.db")
    assert migrate.current(engine) is None
    engine.dispose()


def test_sqlite_keeps_its_promises(sqlite_url):
    """A commit survives a power failure, and references hold."""
    engine = create_engine(sqlite_url)
    with begin(engine) as connection:
        pragmas = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                   for name in ("journal_mode", "synchronous", "foreign_keys")}
    engine.dispose()
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
