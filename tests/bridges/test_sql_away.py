"""Which errors of a database say that it is away, and does one that hangs hang us? What is only SQL Server's?"""

import shutil
import socket
import tempfile
import threading
from contextlib import closing
from pathlib import Path

import pymssql
import pymysql
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mssql
from sqlalchemy.exc import DBAPIError

from gateway.bridges import registry
from gateway.bridges.port import Outage
from gateway.bridges.sql import config, queries
from gateway.bridges.sql.bridge import SqlBridge
from gateway.bridges.sql.engines import KINDS
from gateway.errors import GatewayError

MSSQL = {"url": "mssql://ams:hush-hush@db.example.org/ams", "members": "SELECT no AS remote_id, email, at FROM members",
         "changed": {"column": "at"}, "memberships": "SELECT no AS remote_id, grp AS interest FROM groups",
         "values": {"table": "Members", "schema": "dbo", "remote_id": "No", "fields": {"FirstName": "First Name"}},
         "writeback": {"unsubscribe": "UPDATE members SET no_mail = 1 WHERE no = :remote_id"}}


class FreezingDoor:
    """A way to a PostgreSQL server on which nothing moves any more once it is frozen."""

    def __init__(self, target):
        self.folder = Path(tempfile.mkdtemp(prefix="gw-fz-", dir="/tmp"))
        self._target, self.frozen, self._open = str(target / ".s.PGSQL.5432"), threading.Event(), []
        self._door = socket.socket(socket.AF_UNIX)
        self._door.bind(str(self.folder / ".s.PGSQL.5432"))
        self._door.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                inside, _ = self._door.accept()
            except OSError:
                return
            outside = socket.socket(socket.AF_UNIX)
            outside.connect(self._target)
            self._open += [inside, outside]
            for one, other in ((inside, outside), (outside, inside)):
                threading.Thread(target=self._pass, args=(one, other), daemon=True).start()

    def _pass(self, one, other):
        try:
            while data := one.recv(65536):
                if self.frozen.is_set():
                    return
                other.sendall(data)
        except OSError:
            return

    def close(self):
        self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()
        for each in self._open:
            try:  # closed alone, it would stay as it is while somebody reads from it
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            each.close()
        shutil.rmtree(self.folder)


@pytest.mark.parametrize("way", ["check", "write", "read", "half"])
def test_a_server_that_says_nothing_any_more_is_an_outage(postgres_cluster, sql_ams_of, way):
    """ID-60: its own limits are of no use when it hangs."""
    ams = sql_ams_of("postgresql")
    ams.put_many(3000)
    with closing(FreezingDoor(postgres_cluster.socket_dir)) as door:
        url = ams.url.replace(str(postgres_cluster.socket_dir), str(door.folder))
        with closing(SqlBridge.from_config({**ams.config, "url": url, "timeout_s": 1})) as bridge:
            bridge.check()
            with closing(bridge.changed_since(None)) as stream:
                if way == "half":
                    next(stream)
                door.frozen.set()
                with pytest.raises(Outage):
                    list(stream) if way in ("read", "half") else bridge.check()


@pytest.mark.parametrize(("kind", "error", "away"), [
    ("mysql", pymysql.err.OperationalError(2013, "Lost connection during query"), True),
    ("mysql", pymysql.err.OperationalError(2006, "gone away"), True),
    ("mysql", pymysql.err.OperationalError(1045, "Access denied"), True),
    ("mysql", pymysql.err.OperationalError(1205, "Lock wait timeout"), True),
    ("mysql", pymysql.err.OperationalError(1213, "Deadlock"), True),
    ("mysql", pymysql.err.OperationalError(1969, "max_statement_time"), True),
    ("mysql", pymysql.err.InterfaceError(0, ""), True),
    ("mysql", pymysql.err.InternalError("Packet sequence number wrong"), True),
    ("mysql", pymysql.err.OperationalError(1142, "UPDATE command denied"), False),
    ("mysql", pymysql.err.OperationalError(1054, "Unknown column"), False),
    ("mysql", pymysql.err.OperationalError(1792, "READ ONLY transaction"), False),
    ("mysql", pymysql.err.IntegrityError(1062, "Duplicate entry"), False),
    ("mysql", pymysql.err.DataError(1406, "Data too long"), False),
    ("mssql", pymssql.OperationalError((20009, b"Unable to connect")), True),
    ("mssql", pymssql.OperationalError((18456, b"Login failed")), True),
    ("mssql", pymssql.OperationalError((1205, b"deadlock victim")), True),
    ("mssql", pymssql.OperationalError(1222, "Lock request time out"), True),
    ("mssql", pymssql.InterfaceError("Connection is closed."), True),
    ("mssql", pymssql.OperationalError((229, b"permission was denied")), False),
    ("mssql", pymssql.ProgrammingError((208, b"Invalid object name")), False),
    ("mssql", pymssql.IntegrityError((2627, b"Violation of UNIQUE KEY")), False)])
def test_what_an_error_means(kind, error, away):
    """ID-60: away says nothing about the record, a refusal does."""
    wrapped = DBAPIError.instance("UPDATE x", {}, error, pymysql.err.Error if kind == "mysql" else pymssql.Error)
    assert KINDS[kind].is_away(wrapped, writes=True) is away


@pytest.mark.parametrize(("state", "reads", "writes"), [
    ("57014", True, True), ("40P01", True, True), ("55P03", True, True), ("53300", True, True), ("25006", False, True),
    ("23505", False, False), ("42P01", False, False), ("22001", False, False), ("42501", False, False)])
def test_what_a_state_of_postgresql_means(state, reads, writes):
    """A server that has become a copy of another is away for who writes."""
    class Cause(Exception):
        sqlstate = state

    error = DBAPIError("UPDATE x", {}, Cause())
    found = [KINDS["postgresql"].is_away(error, writes=writing) for writing in (False, True)]
    assert found == [reads, writes]


def test_sql_server_is_configured_without_a_connection():
    """What is sent to SQL Server is seen here as text only: there is none to try it on."""
    with closing(registry.make("sql", MSSQL)) as bridge:
        assert bridge.fields == {"FirstName"}
        assert "hush" not in repr(vars(bridge))
        made = bridge._config

    def shown(query):
        compiled = query.compile(dialect=mssql.dialect(), compile_kwargs={"render_postcompile": True})
        return " ".join(str(compiled).split())

    bound = queries.among(made.members).params(spellings=["17", "17.0"])
    assert shown(bound) == (
        "SELECT * FROM (SELECT no AS remote_id, email, at FROM members ) AS listed WHERE "
        "ltrim(rtrim(CAST(listed.remote_id AS NVARCHAR(450)))) IN (:spellings_1, :spellings_2)")
    assert shown(made.changed.select).endswith("WHERE listed.at >= :since OR listed.at IS NULL")
    assert shown(made.changed.newest).startswith("SELECT max(listed.at) AS max_1 FROM (SELECT no")
    assert shown(made.values.select) == "SELECT [No] AS remote_id, [First Name] FROM [dbo].[Members]"
    assert "kept.remote_id IN (SELECT those.remote_id FROM (" in shown(
        queries.of_those(made.memberships, made.changed.select))


@pytest.mark.parametrize("members", ["WITH m AS (SELECT 1) SELECT * FROM m",
                                     "SELECT no AS remote_id, email FROM members ORDER BY no"])
def test_sql_server_does_not_take_these_inside_of_others(members):
    with pytest.raises(GatewayError, match="view") as caught:
        registry.check("sql", {**MSSQL, "members": members})
    assert caught.value.field == "members"


@pytest.mark.parametrize(("url", "extra"), [(MSSQL["url"], "mssql"), ("mysql://u:hush@h/d", "mysql"),
                                            ("mariadb://u:hush@h/d", "mysql")])
def test_a_driver_that_is_not_installed_is_named_with_its_extra(monkeypatch, url, extra):
    monkeypatch.setattr(config.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(GatewayError, match=rf"gateway\[{extra}\]") as caught:
        registry.check("sql", {**MSSQL, "url": url})
    assert caught.value.field == "url" and "hush" not in caught.value.message


def test_the_read_only_side_of_sql_server_asks_for_a_copy():
    """Who reads says so when it connects; who writes does not."""
    for writes in (False, True):
        made = KINDS["mssql"].engine(config.read_config(MSSQL).url, 5.0, writes=writes)
        seen = []

        @sa.event.listens_for(made, "do_connect")
        def _note(_dialect, _record, _args, options, seen=seen):
            seen.append(options)
            raise pymssql.OperationalError((20009, b"nobody"))

        with pytest.raises(DBAPIError):
            made.connect()
        assert (seen[0]["read_only"], seen[0]["timeout"], seen[0]["login_timeout"]) == (not writes, 5, 5)
        made.dispose()
