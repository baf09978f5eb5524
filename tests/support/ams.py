"""Which foreign systems do tests sync with? Real databases on both engines, and a fake in memory."""

from __future__ import annotations

import sqlite3
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import sqlalchemy as sa

from gateway.bridges.port import MemberStream, Outage, Refused, RemoteMember, WritebackItem
from gateway.bridges.sql.bridge import SqlBridge

TABLE = """CREATE TABLE members (
    member_no VARCHAR(300), email VARCHAR(300), no_mail INTEGER, groups VARCHAR(300), gone INTEGER,
    bad_email INTEGER, changed_at VARCHAR(40), origin VARCHAR(40), reason VARCHAR(250))"""
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


class SqlAms:
    """An in-house database with a table ``members``, on SQLite or PostgreSQL."""

    kind = "sql"

    def __init__(self, url: str) -> None:
        self.url = url
        self._engine = sa.create_engine(url, poolclass=sa.NullPool)
        self._do("DROP TABLE IF EXISTS members")
        self._do(TABLE)

    @property
    def config(self) -> dict[str, object]:
        """The bridge's configuration."""
        return {"url": self.url, "members": SELECT, "writeback": WRITEBACK}

    def away_config(self) -> dict[str, object]:
        """The configuration of a system that cannot be reached."""
        url = self.url + ".gone" if self.url.startswith("sqlite") else "postgresql://ams:hush-hush@127.0.0.1:9/ams"
        return {**self.config, "url": url}

    def bridge(self, *, away: bool = False) -> SqlBridge:
        """A bridge to it, or to one that is away."""
        return SqlBridge.from_config(self.away_config() if away else self.config)

    def put(self, remote_id: str | None, email: str | None, no_mail: object = 0, groups: str | None = None,
            gone: int = 0) -> None:
        """Adds a member."""
        self._do(INSERT, {"remote_id": remote_id, "email": email, "no_mail": no_mail, "groups": groups, "gone": gone})

    def put_many(self, count: int) -> None:
        """Adds members ``0`` to ``count - 1`` with addresses of their own."""
        self._do(INSERT, [{"remote_id": str(number), "email": f"m{number}@example.org", "no_mail": 0,
                           "groups": "Members", "gone": 0} for number in range(count)])

    def change(self, remote_id: str, **columns: object) -> None:
        """Changes columns of a member."""
        for name, value in columns.items():
            self._do(f"UPDATE members SET {name} = :value WHERE member_no = :remote_id",
                     {"value": value, "remote_id": remote_id})

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
    """A system in memory that is its own bridge; it counts the calls and can be broken in every way."""

    kind = "memory"
    writes = frozenset({"unsubscribe", "resubscribe", "bad_email"})

    def __init__(self) -> None:
        self.people: list[RemoteMember] = []
        self.written: list[WritebackItem] = []
        self.asked: list[tuple[str, ...]] = []
        self.is_away = False
        self.refuses: set[str] = set()
        self.breaks_after: int | None = None

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

    def row(self, remote_id: str) -> Mapping[str, object]:
        """The member as stored."""
        found = next(m for m in self.people if m.remote_id == remote_id)
        return {"no_mail": int(found.do_not_email or 0),
                "bad_email": int(any(i.kind == "bad_email" and i.remote_id == remote_id for i in self.written))}

    def members(self, since: str | None) -> MemberStream:
        """Everybody."""
        if since is not None:
            raise Refused("no cursor")
        return MemberStream(self._read(), lists_everybody=True)

    def members_by_id(self, remote_ids: Sequence[str], timeout_s: float) -> list[RemoteMember]:
        """Those of the people who have one of the IDs."""
        self.probe()
        self.asked.append(tuple(remote_ids))
        return [member for member in self.people if (member.remote_id or "").strip() in remote_ids]

    def _read(self) -> Iterator[RemoteMember]:
        self.probe()
        for number, member in enumerate(self.people):
            if number == self.breaks_after:
                raise Outage("The system broke off.")
            yield member

    def write_back(self, item: WritebackItem) -> None:
        """Notes the item and sets the flag."""
        self.probe()
        if item.remote_id in self.refuses or not any(m.remote_id == item.remote_id for m in self.people):
            raise Refused("The system does not take this record.")
        self.written.append(item)
        if item.kind != "bad_email":
            self.people = [replace(m, do_not_email=item.kind == "unsubscribe") if m.remote_id == item.remote_id else m
                           for m in self.people]

    def probe(self) -> None:
        """Answers unless it is away."""
        if self.is_away:
            raise Outage("The system is away.")

    def close(self) -> None:
        """Nothing to let go of."""
