"""Does the schema that the migrations make fit the tables that the code uses, on both databases?"""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from gateway.db import migrate
from gateway.db.engine import begin, create_engine, read
from gateway.db.models import metadata
from gateway.db.queries import fields, folders
from gateway.domain.accounts import ROLE_SCOPES, Actor
from gateway.domain.fields import STANDARD_FIELDS
from gateway.domain.records import Identifier, ImportOptions, SubscriberRecord
from gateway.services import erasure, imports, interests, onetomany, reporting, subscribers
from tests.db import first_schema
from tests.db.first_schema import ANN, BOB, EVE
from tests.support.world import World


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


def test_the_newest_revision_is_alembics():
    """Asking for it does not load Alembic, so that a command starts soon: the files' names say it."""
    config = Config()
    config.set_main_option("script_location", str(migrate.MIGRATIONS))
    scripts = ScriptDirectory.from_config(config)
    assert migrate.head() == scripts.get_current_head()
    assert all(migrate.is_known(script.revision) for script in scripts.walk_revisions())
    assert not migrate.is_known("9999") and not migrate.is_known("")


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


def test_folders_of_mailings_made_earlier_get_ids(tmp_path):
    """aapi.md section 7.1: each folder that a mailing names is one row of its brand, made by the upgrade."""
    engine = create_engine(f"sqlite:///{tmp_path}/old.db")
    migrate.upgrade(engine, "0005")
    with begin(engine) as connection:
        for number in (1, 2):
            connection.exec_driver_sql("INSERT INTO brand (id, name, allow_ip, settings, created_at) VALUES "
                                       f"({number}, 'B', '[]', '{{}}', '2026-01-01 00:00:00')")
        for brand_id, folder in ((1, "'2026'"), (1, "'2026'"), (1, "''"), (1, "NULL"), (2, "'2026'"), (2, "'Board'")):
            connection.exec_driver_sql(
                "INSERT INTO mailing (brand_id, name, subject, from_address, html, folder, state, created_by, "
                f"created_at, changed_at) VALUES ({brand_id}, 'M', 'S', 'a@example.org', 'x', {folder}, 'draft', "
                "'user:a', '2026-01-01 00:00:00', '2026-01-01 00:00:00')")
    migrate.upgrade(engine)
    with read(engine) as connection:
        assert [folders.names(connection, number) for number in (1, 2)] == [["2026"], ["2026", "Board"]]
    engine.dispose()


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


@pytest.fixture
def first(request, tmp_path):
    """The URL of a database of revision 0001 in use; once on each engine."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/first.db"
    else:
        cluster = request.getfixturevalue("postgres_cluster")
        url = cluster.create("gateway_first")
        request.addfinalizer(lambda: cluster.drop("gateway_first"))
    engine = create_engine(url)
    migrate.upgrade(engine, "0001")
    with begin(engine) as connection:
        first_schema.fill(connection)
    engine.dispose()
    return url


both = pytest.mark.parametrize("first", ["sqlite", "postgresql"], indirect=True)


GONE = {("delivery", "body_started_at")}
"""Columns of 0001 that a later revision turned into something else."""


@both
def test_an_installation_in_use_keeps_every_row(first):
    """From 0001 to the newest: every row of every table is there and says what it said."""
    engine = create_engine(first)
    with read(engine) as connection:
        columns = {name: [key for key in table.c.keys() if (name, key) not in GONE]
                   for name, table in first_schema.tables_of(connection).tables.items()}
        before = first_schema.read_all(connection, columns)
    empty = {name for name, rows in before.items() if not rows}
    assert empty == set(), "the test must fill every table of 0001"
    migrate.upgrade(engine)
    with read(engine) as connection:
        after = first_schema.read_all(connection, columns)
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()
    del before["alembic_version"]
    lost = {name: [row for row in rows if row not in after[name]] for name, rows in before.items()}
    assert {name: rows for name, rows in lost.items() if rows} == {}
    assert [name for name, rows in before.items() if len(after[name]) != len(rows)] in ([], ["field"])  # new fields


@both
def test_an_installation_in_use_goes_on_working(first, tmp_path):
    """After the upgrade: show, adopt, update, report, One-to-Many, erase, in the rows of the old version."""
    with World(first, data_dir=tmp_path, brands=()) as world:
        admin = Actor(7, "user:apiuser", "soap", ROLE_SCOPES["admin"], 2, "ams", "r-1")
        with world.unit(admin) as unit:
            ann, bob, eve = imports.import_records(unit, [
                SubscriberRecord("M-2", ANN, {"City": "Bergen"}, ("News",)), SubscriberRecord("M-1", BOB),
                SubscriberRecord("M-3", EVE)], ImportOptions()).outcomes
        assert [(o.status, o.subscriber_id, o.rule) for o in (ann, bob)] == [("adopted", 11, "ID-12"),
                                                                           ("unchanged", 12, "ID-10")]
        assert eve.status == "created" and eve.subscriber_id > 13
        with world.unit(admin) as unit:
            assert subscribers.get(unit, Identifier(subscriber_id=13)).merged_into == 12
            assert subscribers.get(unit, Identifier(remote_id="M-1")).blocked_by == ("opt_out", "remote_flag")
            assert interests.get(unit, 1).members == 1
            assert reporting.report(unit, instance_id=1).delivered == 1
            seen = onetomany.preview(unit)
        assert onetomany.switch_on(world.gateway, admin, seen.fingerprint).counters["mains"] == 3
        with world.unit(admin) as unit:
            view = erasure.erase(unit, Identifier(email=BOB), confirmed=True, close_writebacks=True)
        assert (view.subscriber_id, view.merged_ids) == (12, (13,))
