"""Which foreign systems do tests sync with? Real databases on both engines, and a fake in memory."""

from __future__ import annotations

import sqlite3
import time
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import sqlalchemy as sa

from gateway.bridges.port import (
    Description,
    MemberStream,
    Outage,
    Refused,
    RemoteGroup,
    RemoteMember,
    WritebackItem,
)
from gateway.bridges.sql.bridge import SqlBridge

TABLES = {
    "members": """CREATE TABLE members (
        member_no VARCHAR(300), email VARCHAR(300), no_mail INTEGER, groups VARCHAR(300), gone INTEGER,
        bad_email INTEGER, changed_at VARCHAR(40), origin VARCHAR(40), reason VARCHAR(250), first_name VARCHAR(100),
        city VARCHAR(100))""",
    "lists": "CREATE TABLE lists (list_id INTEGER, title VARCHAR(100))",
    "listed": "CREATE TABLE listed (list_id INTEGER, member_no VARCHAR(300))",
}
SELECT = ("SELECT member_no AS remote_id, email, no_mail AS do_not_email, groups AS interests, gone AS deleted "
          "FROM members ORDER BY member_no")
INSERT = ("INSERT INTO members (member_no, email, no_mail, groups, gone, bad_email) "
          "VALUES (:remote_id, :email, :no_mail, :groups, :gone, 0)")
WRITEBACK = {
    "unsubscribe": "UPDATE members SET no_mail = 1, changed_at = :occurred_at, origin = :origin, reason = :reason "
                   "WHERE member_no = :remote_id",
    "resubscribe": "UPDATE members SET no_mail = 0, changed_at = :occurred_at, reason = :reason "
                   "WHERE member_no = :remote_id",
    "bad_email": "UPDATE members SET bad_email = 1, reason = :code WHERE member_no = :remote_id AND email = :email",
}
VALUES = {"select": "SELECT member_no AS remote_id, first_name, city FROM members",
          "fields": {"FirstName": "first_name", "City": "city"}}
GROUPS = {
    "list": "SELECT list_id AS group_id, title AS name, (SELECT COUNT(*) FROM listed l "
            "WHERE l.list_id = lists.list_id) AS size FROM lists ORDER BY list_id",
    "members": "SELECT m.member_no AS remote_id, m.email, m.no_mail AS do_not_email, m.groups AS interests, "
               "m.gone AS deleted FROM members m JOIN listed ON listed.member_no = m.member_no "
               "WHERE listed.list_id = :group_id",
}
"""What a system that ``has_values`` and ``has_groups`` takes by ``tell`` and ``group``: values of the fields
``FirstName`` and ``City``; groups whose ids are numbers."""


class SqlAms:
    """An in-house database with a table ``members``, on SQLite, PostgreSQL or MariaDB."""

    kind = "sql"
    has_values = True
    has_groups = True

    def __init__(self, url: str) -> None:
        self.url = url
        self._engine = sa.create_engine(url, poolclass=sa.NullPool, connect_args={
            "init_command": "SET sql_mode = 'ANSI_QUOTES'"} if url.startswith("mariadb") else {})
        for name, made in TABLES.items():
            self._do(f"DROP TABLE IF EXISTS {name}")
            self._do(made)

    @property
    def config(self) -> dict[str, object]:
        """The bridge's configuration."""
        return {"url": self.url, "members": SELECT, "writeback": WRITEBACK, "values": VALUES, "groups": GROUPS}

    def away_config(self) -> dict[str, object]:
        """The configuration of a system that cannot be reached."""
        scheme = self.url.partition(":")[0].partition("+")[0]
        url = self.url + ".gone" if scheme == "sqlite" else f"{scheme}://ams:hush-hush@127.0.0.1:9/ams"
        return {**self.config, "url": url}

    def bridge(self, *, away: bool = False) -> SqlBridge:
        """A bridge to it, or to one that is away."""
        return SqlBridge.from_config(self.away_config() if away else self.config)

    def put(self, remote_id: str | None, email: str | None, no_mail: object = 0, groups: str | None = None,
            gone: int = 0) -> None:
        """Adds a member."""
        self._do(INSERT, {"remote_id": remote_id, "email": email, "no_mail": no_mail, "groups": groups, "gone": gone})

    def tell(self, remote_id: str, **values: str | None) -> None:
        """Gives a member values of ``FirstName`` and ``City``."""
        self.change(remote_id, **{VALUES["fields"][name]: value for name, value in values.items()})

    def group(self, group_id: str, name: str, remote_ids: Sequence[str] = ()) -> None:
        """Adds a group of members."""
        self._do("INSERT INTO lists VALUES (:id, :name)", {"id": int(group_id), "name": name})
        for remote_id in remote_ids:
            self._do("INSERT INTO listed VALUES (:id, :no)", {"id": int(group_id), "no": remote_id})

    def put_many(self, count: int) -> None:
        """Adds members ``0`` to ``count - 1`` with addresses of their own."""
        self._do(INSERT, [{"remote_id": str(number), "email": f"m{number}@example.org", "no_mail": 0,
                           "groups": "Members", "gone": 0} for number in range(count)])

    def change(self, remote_id: str, **columns: object) -> None:
        """Changes columns of a member."""
        chosen = ", ".join(f"{name} = :{name}" for name in columns)
        self._do(f"UPDATE members SET {chosen} WHERE member_no = :remote_id", {**columns, "remote_id": remote_id})

    def drop(self, remote_id: str) -> None:
        """Deletes a member."""
        self._do("DELETE FROM members WHERE member_no = :remote_id", {"remote_id": remote_id})

    def row(self, remote_id: str) -> Mapping[str, object]:
        """The member as stored."""
        with self._engine.connect() as connection:
            return dict(connection.execute(sa.text("SELECT * FROM members WHERE member_no = :remote_id"),
                                           {"remote_id": remote_id}).mappings().one())

    def do(self, statement: str) -> None:
        """Runs a statement as the AMS's own owner."""
        self._do(statement)

    def _do(self, statement: str, values: dict[str, object] | list[dict[str, object]] | None = None) -> None:
        with self._engine.begin() as connection:
            connection.execute(sa.text(statement), values or {})


def sqlite_ams(folder: Path) -> SqlAms:
    """A system on a SQLite file whose path has a blank and an accent."""
    path = folder / unicodedata.normalize("NFC", "our mémbers.db")
    sqlite3.connect(path).close()
    return SqlAms(f"sqlite:///{path}")


class MemoryAms:
    """A system in memory that is its own bridge; it counts the calls and can be broken in every way.

    ``values``: remote ID -> field -> text, what :meth:`fetch` tells; ``fields`` are those of ``knows`` and of all
    values. ``groups``: group id -> (name, remote IDs). ``fetched``: calls of :meth:`fetch`, as (remote IDs, fields).
    ``delay_s``: how long :meth:`fetch` takes; it gives up after its timeout.
    """

    kind = "memory"
    has_values = True
    has_groups = True
    written_fields: frozenset[str] | None = None
    writes = frozenset({"unsubscribe", "resubscribe", "bad_email"})

    def __init__(self) -> None:
        self.people: list[RemoteMember] = []
        self.written: list[WritebackItem] = []
        self.asked: list[tuple[str, ...]] = []
        self.is_away = False
        self.refuses: set[str] = set()
        self.breaks_after: int | None = None
        self.knows: set[str] = set()
        self.values: dict[str, dict[str, str]] = {}
        self.groups: dict[str, tuple[str, list[str]]] = {}
        self.fetched: list[tuple[tuple[str, ...], frozenset[str]]] = []
        self.delay_s = 0.0

    @property
    def fields(self) -> frozenset[str]:
        """The fields that it can tell."""
        return frozenset(self.knows.union(*self.values.values()))

    def bridge(self, *, away: bool = False) -> MemoryAms:
        """Itself, reachable or not."""
        self.is_away = away
        return self

    def put(self, remote_id: str | None, email: str | None, no_mail: object = 0, groups: str | None = None,
            gone: int = 0) -> None:
        """Adds a member."""
        names = None if groups is None else tuple(name.strip() for name in groups.split(";") if name.strip())
        flag = None if no_mail is None else bool(no_mail)
        self.people.append(RemoteMember(remote_id, email, flag, names, bool(gone)))

    def tell(self, remote_id: str, **values: str | None) -> None:
        """Gives a member values."""
        self.knows.update(values)
        self.values[remote_id] = {name: value for name, value in values.items() if value}

    def group(self, group_id: str, name: str, remote_ids: Sequence[str] = ()) -> None:
        """Adds a group of members."""
        self.groups[group_id] = (name, list(remote_ids))

    def row(self, remote_id: str) -> Mapping[str, object]:
        """The member as stored."""
        found = next(m for m in self.people if m.remote_id == remote_id)
        return {"no_mail": int(found.do_not_email or 0),
                "bad_email": int(any(i.kind == "bad_email" and i.remote_id == remote_id for i in self.written))}

    def changed_since(self, since: str | None) -> MemberStream:
        """Everybody."""
        if since is not None:
            raise Refused("no cursor")
        return MemberStream(self._read(self.people), lists_everybody=True)

    def members_by_id(self, remote_ids: Sequence[str], timeout_s: float) -> list[RemoteMember]:
        """Those of the people who have one of the IDs."""
        self.check()
        self.asked.append(tuple(remote_ids))
        return [member for member in self.people if (member.remote_id or "").strip() in remote_ids]

    def describe(self) -> Description:
        """Its fields and groups."""
        self.check()
        return Description(tuple(sorted(self.fields)), tuple(
            RemoteGroup(key, name, len(ids)) for key, (name, ids) in self.groups.items()))

    def fetch(self, remote_ids: Sequence[str], fields: Collection[str], timeout_s: float) -> dict[str, dict[str, str]]:
        """The values of those people whom it knows; who is only in ``values`` is known as well."""
        self.fetched.append((tuple(remote_ids), frozenset(fields)))
        time.sleep(min(self.delay_s, timeout_s))
        self.check()
        if self.delay_s >= timeout_s > 0:
            raise Outage("The system is too slow.")
        known = {member.remote_id for member in self.people} | set(self.values)
        return {remote_id: {name: text for name, text in self.values.get(remote_id, {}).items() if name in fields}
                for remote_id in remote_ids if remote_id in known}

    def group_members(self, group_id: str) -> MemberStream:
        """Those of the people who are in the group."""
        self.check()
        if group_id not in self.groups:
            raise Refused("The system has no such group.")
        ids = set(self.groups[group_id][1])
        return MemberStream(self._read([m for m in self.people if m.remote_id in ids]), lists_everybody=True)

    def _read(self, people: list[RemoteMember]) -> Iterator[RemoteMember]:
        self.check()
        for number, member in enumerate(people):
            if number == self.breaks_after:
                raise Outage("The system broke off.")
            yield member

    def write_back(self, item: WritebackItem) -> None:
        """Notes the item and sets the flag."""
        self.check()
        if item.remote_id in self.refuses or not any(m.remote_id == item.remote_id for m in self.people):
            raise Refused("The system does not take this record.")
        self.written.append(item)
        if item.kind != "bad_email":
            self.people = [replace(m, do_not_email=item.kind == "unsubscribe") if m.remote_id == item.remote_id else m
                           for m in self.people]

    def check(self) -> None:
        """Answers unless it is away."""
        if self.is_away:
            raise Outage("The system is away.")

    def close(self) -> None:
        """Nothing to let go of."""
