"""Does the schema that the migrations make fit the tables that the code uses, on both databases?"""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from gateway.db import migrate
from gateway.db.engine import begin, create_engine, read
from gateway.db.models import metadata
from gateway.db.queries import fields
from gateway.domain.fields import STANDARD_FIELDS


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


def test_brands_made_earlier_get_the_fields_that_came_later(postgres_cluster, tmp_path):
    """PUSH-26: every standard field exists in every brand, with its kind; what a brand has already stays."""
    for url in (f"sqlite:///{tmp_path}/old.db", postgres_cluster.create("gateway_old")):
        engine = create_engine(url)
        migrate.upgrade(engine, "0001")
        with begin(engine) as connection:
            for number in (1, 2):
                connection.exec_driver_sql("INSERT INTO brand (id, name, allow_ip, settings, created_at) VALUES "
                                           f"({number}, 'B', '[]', '{{}}', '2026-01-01 00:00:00')")
            connection.exec_driver_sql("INSERT INTO field (brand_id, name, folded, created_at) VALUES "
                                       "(2, 'Orders', 'orders', '2026-01-01 00:00:00')")
        migrate.upgrade(engine)
        with read(engine) as connection:
            one, two = (fields.of_brand(connection, number) for number in (1, 2))
        engine.dispose()
        assert {name: (field.kind, field.max_length) for name, field in one.items()} == {
            "otheremailaddresses": ("text", 4000), "isbill": ("boolean", 4000), "donotpublish": ("boolean", 4000),
            "education": ("json", 65536), "jobhistory": ("json", 65536), "orders": ("json", 65536)}
        assert one.keys() == two.keys() and two["orders"].kind == "text"
        assert all(STANDARD_FIELDS[field.name] == field.kind for field in one.values())


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
