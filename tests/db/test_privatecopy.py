"""Is a copy of a SQLite database what was there at one moment, and nobody's but ours? (ID-71)"""

import os
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.db import engine as db
from gateway.db.models.subscribers import cached_value
from gateway.db.queries import privatecopy

ROWS = "SELECT count(*), sum(length(text)) FROM t"


@pytest.fixture
def made(tmp_path):
    """An engine, and its file's folder."""
    engine = db.create_engine(f"sqlite:///{tmp_path / 'odd %#;ä' / 'x.db'}")
    with db.begin(engine) as connection:
        connection.exec_driver_sql("CREATE TABLE t (text TEXT)")
        connection.exec_driver_sql(f"CREATE TABLE {cached_value.name} (value TEXT)")
        fill(connection, 200)
    yield engine
    engine.dispose()


def fill(connection, number):
    connection.exec_driver_sql("INSERT INTO t VALUES (?)", [("x" * 1000,)] * number)


def look(engine, what=ROWS):
    with db.read(engine) as connection:
        return tuple(connection.exec_driver_sql(what).one())


def handles(folder):
    """What this process has open in the folder, also of files without a name."""
    links = {int(number): Path("/proc/self/fd", number) for number in os.listdir("/proc/self/fd")}
    return [number for number, link in links.items() if link.is_symlink() and str(folder) in os.readlink(link)]


def test_it_is_of_one_moment_whatever_is_written_meanwhile(made, tmp_path, monkeypatch):
    """ID-71: it is copied in parts, and others write between them."""
    parts = []

    def others_write(_folder):
        parts.append(1)
        with db.begin(made) as connection:
            connection.exec_driver_sql("UPDATE t SET text = text || 'y'")
            fill(connection, 1)

    monkeypatch.setattr(privatecopy, "_PAGES_AT_ONCE", 10)
    monkeypatch.setattr(privatecopy, "_require_room", others_write)
    with privatecopy.private_copy(made, tmp_path / "data") as copy:
        assert len(parts) > 3
        monkeypatch.setattr(privatecopy, "_require_room", lambda _folder: None)
        assert (look(copy), look(copy, "PRAGMA integrity_check")) == ((200, 200_000), ("ok",))
        assert look(made)[0] == 200 + len(parts)
        with db.begin(copy) as connection:
            connection.exec_driver_sql("DELETE FROM t")
        assert look(copy)[0] == 0
    assert look(made)[0] == 200 + len(parts)


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_it_has_no_name_and_is_ours_alone(made, tmp_path, mode):
    """ID-77: neither it nor a file beside it, whatever journal the database has; its mode lets nobody else read it."""
    with made.connect() as connection:
        raw = connection.connection.driver_connection
        assert raw.execute(f"PRAGMA journal_mode={mode}").fetchone() == (mode,)
    with db.begin(made) as connection:
        connection.execute(sa.text(f"INSERT INTO {cached_value.name} VALUES ('Xanadu')"))
    folder = tmp_path / "data"
    with privatecopy.private_copy(made, folder) as copy:
        with db.begin(copy) as connection:
            fill(connection, 200)
        assert (look(copy)[0], look(copy, f"SELECT count(*) FROM {cached_value.name}")) == (400, (0,))
        assert list(folder.iterdir()) == []
        ours = handles(folder)
        assert ours and {oct(os.stat(number).st_mode & 0o777) for number in ours} == {"0o600"}
        assert not any(b"Xanadu" in os.pread(number, 2**24, 0) for number in ours)
    assert handles(folder) == []
    assert look(made, f"SELECT value FROM {cached_value.name}") == ("Xanadu",)
