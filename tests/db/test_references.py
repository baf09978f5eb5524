"""Do rows without constraints refer to rows that exist, and do old databases come to it whole? (revision 0003)"""

from __future__ import annotations

import datetime as dt
import itertools

import pytest
import sqlalchemy as sa

from gateway.db.engine import begin, create_engine, read
from gateway.db.migrate import upgrade
from gateway.db.models import metadata
from gateway.domain.records import Identifier, ImportOptions, StatusEntry, SubscriberRecord
from gateway.services import imports, suppression
from tests.support.world import World

NOW = dt.datetime(2026, 1, 15, 12, 0, 0, 123000, tzinfo=dt.UTC)
REFERENCES = {
    "subscriber": {"brand_id": "brand", "source_id": "source", "first_source_id": "source",
                   "merged_into": "subscriber"},
    "remote_key": {"brand_id": "brand", "integration_id": "integration", "subscriber_id": "subscriber"},
    "source_values": {"brand_id": "brand", "subscriber_id": "subscriber", "source_id": "source"},
    "membership": {"brand_id": "brand", "subscriber_id": "subscriber", "interest_id": "interest",
                   "source_id": "source"},
    "decision": {"brand_id": "brand", "upload_id": "upload", "subscriber_id": "subscriber"},
}
_numbers = itertools.count(1)


def loose(connection):
    """References to rows that are not there."""
    found = []
    for table, columns in REFERENCES.items():
        for column, target in columns.items():
            here, there = metadata.tables[table], metadata.tables[target].alias("there")
            lost = connection.execute(
                sa.select(here.c[column]).join_from(here, there, here.c[column] == there.c.id, isouter=True)
                .where(here.c[column].is_not(None), there.c.id.is_(None))).all()
            found += [(table, column, row[0]) for row in lost]
    return found


def test_whatever_imports_do_no_reference_is_loose(database_url, tmp_path):
    """Creates, adoptions, merges, overwritten addresses, ended links, many plain rows, a run that is taken back."""
    many = [SubscriberRecord(f"m{n}", f"m{n}@x.org", {"FirstName": "A"}) for n in range(200)]
    batches = (
        [SubscriberRecord(None, "ann@x.org"), SubscriberRecord("1", "bo@x.org", {"FirstName": "B"})],
        [SubscriberRecord("2", "ann@x.org"), SubscriberRecord(None, "cy@x.org", {"City": "X"})],
        [SubscriberRecord("1", "cy@x.org"), SubscriberRecord("9", "nobody")], many, many)
    with World(database_url, data_dir=tmp_path) as world:
        for dry_run, batch in itertools.product((True, False), batches):
            with world.unit() as unit:
                imports.import_records(unit, batch, ImportOptions(interests=("News",), dry_run=dry_run))
        with world.unit() as unit:
            context = imports.prepare(unit, ImportOptions(), imports.open_upload(unit, ImportOptions()))
            imports.end_links(unit, context, ["2", "m7"])
            suppression.unsubscribe(unit, [StatusEntry(Identifier(email="bo@x.org"))])
        with read(world.gateway.engine) as connection:
            assert loose(connection) == []


@pytest.fixture(params=["sqlite", "postgresql"])
def old_engine(request, tmp_path):
    """A database at the revision before, with a person in it."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/old.db"
    else:
        url = request.getfixturevalue("postgres_cluster").create(f"old_{next(_numbers)}")
    made = create_engine(url)
    upgrade(made, "0002")
    yield made
    made.dispose()


def test_an_old_database_keeps_every_row(old_engine):
    """Rows, ids that go on, unique keys, and the references of other tables."""
    rows = {
        "brand": {"id": 1, "name": "B", "allow_ip": "[]", "settings": "{}", "created_at": NOW},
        "integration": {"id": 1, "brand_id": 1, "name": "api", "kind": "api", "created_at": NOW},
        "source": {"id": 1, "brand_id": 1, "kind": "local", "name": ""},
        "interest": {"id": 1, "brand_id": 1, "name": "News", "created_at": NOW},
        "subscriber": {"id": 41, "brand_id": 1, "email": "a@x.org", "keyless": False, "source_id": 1,
                       "first_source_id": 1, "created_at": NOW, "changed_at": NOW},
        "remote_key": {"id": 7, "brand_id": 1, "integration_id": 1, "remote_id": "17", "subscriber_id": 41,
                       "created_at": NOW},
        "source_values": {"brand_id": 1, "subscriber_id": 41, "source_id": 1, "document": '{"City":"X"}',
                          "changed": "{}", "changed_at": NOW},
        "membership": {"id": 3, "brand_id": 1, "subscriber_id": 41, "interest_id": 1, "source_id": 1,
                       "channel": "native", "since": NOW},
        "decision": {"id": 5, "brand_id": 1, "recorded_at": NOW, "actor": "user:a", "door": "soap", "status": "created",
                     "subscriber_id": 41},
    }
    written = {"brand": {"allow_ip": [], "settings": {}}}
    with begin(old_engine) as connection:
        for table, row in rows.items():
            connection.execute(sa.insert(metadata.tables[table]).values(row | written.get(table, {})))
        if old_engine.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT setval(pg_get_serial_sequence('subscriber', 'id'), 41)"))
    upgrade(old_engine)
    with begin(old_engine) as connection:
        for table, row in rows.items():
            t = metadata.tables[table]
            (found,) = connection.execute(sa.select(t)).mappings()
            assert {name: found[name] for name in row} == row | written.get(table, {})
        made = connection.execute(sa.insert(metadata.tables["subscriber"]).values(
            {name: value for name, value in rows["subscriber"].items() if name != "id"}).returning(sa.text("id")))
        assert made.scalar_one() > 41
        assert loose(connection) == []
        if old_engine.dialect.name == "sqlite":
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
            assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
    for table, row in (("source_values", rows["source_values"]),
                       ("interest_opt_out", {"brand_id": 1, "subscriber_id": 99, "interest_id": 1, "left_at": NOW,
                                             "origin": "link"})):
        with pytest.raises(sa.exc.IntegrityError), begin(old_engine) as connection:
            connection.execute(sa.insert(metadata.tables[table]).values(row))
