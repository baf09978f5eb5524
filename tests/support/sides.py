"""The other sides of a long afternoon: three in-house systems of different kinds that can be edited and broken."""

from __future__ import annotations

import csv
import sqlite3
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from tests.support.ams import SqlAms, sqlite_ams
from tests.support.folder_ams import FolderAms
from tests.support.soap_ams import Handler, SoapAms, Trick

GROUP = "Members"


@dataclass(frozen=True, slots=True)
class Listed:
    """What a system says of one person."""

    email: str
    flagged: bool


class SqlSide:
    """A database; while it is away its file has another name."""

    name, kind = "members", "sql"

    def __init__(self, folder: Path) -> None:
        self.ams: SqlAms = sqlite_ams(folder)
        self._path = Path(self.ams.url.removeprefix("sqlite:///"))

    @property
    def config(self) -> dict[str, object]:
        """The bridge's configuration."""
        return self.ams.config

    def put(self, key: str, email: str) -> None:
        """Somebody joins."""
        self.ams.put(key, email, 0, GROUP)

    def move(self, key: str, email: str) -> None:
        """Somebody has another address."""
        self.ams.change(key, email=email)

    def flag(self, key: str, flagged: bool) -> None:
        """The staff says whether somebody wants mail."""
        self.ams.change(key, no_mail=int(flagged))

    def drop(self, key: str) -> None:
        """Somebody leaves."""
        self.ams.drop(key)

    def everybody(self) -> dict[str, Listed]:
        """Who is there, by remote ID."""
        with closing(sqlite3.connect(f"{self._path.as_uri()}?mode=ro", uri=True)) as connection:
            return {key: Listed(email, bool(flag)) for key, email, flag in connection.execute(
                "SELECT member_no, email, no_mail FROM members")}

    def leave(self) -> None:
        """It is away."""
        self._path.rename(self._path.with_suffix(".away"))

    def come_back(self) -> None:
        """It is there again."""
        self._path.with_suffix(".away").rename(self._path)

    def empty(self) -> None:
        """Its table is being loaded: it lists nobody."""
        self.ams.do("CREATE TABLE loading AS SELECT * FROM members")
        self.ams.do("DELETE FROM members")

    def fill(self) -> None:
        """Its table is loaded."""
        self.ams.do("INSERT INTO members SELECT * FROM loading")
        self.ams.do("DROP TABLE loading")

    def night(self) -> None:
        """It does nothing at night."""

    def close(self) -> None:
        """Nothing to let go of."""


class _Weather(list):
    """What a service meets before each of its answers, for as long as it lasts: nothing, an outage, half a list."""

    is_away = breaks_off = False

    def __bool__(self) -> bool:
        return self.is_away or self.breaks_off

    def pop(self, _place: int = -1) -> Trick:
        """The next trick; there is always one more."""
        return self._answer

    def _answer(self, handler: Handler) -> bool:
        name, arguments = handler.ams.asked[-1]
        if self.is_away or (name == "GetMembers" and str(arguments.get("page")) != "1"):
            handler.raw(503, b"")
            return True
        return False


class SoapSide:
    """A SOAP service; it can break off in the middle of its list."""

    name, kind = "society", "soap"

    def __init__(self, _folder: Path) -> None:
        self.ams = SoapAms()
        self.ams.tricks = self._weather = _Weather()

    @property
    def config(self) -> dict[str, object]:
        """The bridge's configuration: everybody, on pages that are worth their name. Its staff notes no changes."""
        members = {**self.ams.config["members"], "arguments": {"page": "{page}", "size": "{size}"},
                   "paging": {"kind": "page", "size": 25, "total": "Total"}}
        del members["since"]
        return {**self.ams.config, "members": members}

    def put(self, key: str, email: str) -> None:
        """Somebody joins."""
        self.ams.put(key, email, 0, GROUP)

    def move(self, key: str, email: str) -> None:
        """Somebody has another address."""
        self.ams.find(key)["Contact"]["Email"] = email

    def flag(self, key: str, flagged: bool) -> None:
        """The staff says whether somebody wants mail."""
        self.ams.find(key)["Flags"]["NoMail"] = flagged

    def drop(self, key: str) -> None:
        """Somebody leaves."""
        self.ams.drop(key)

    def everybody(self) -> dict[str, Listed]:
        """Who is there, by remote ID."""
        return {each["Id"]: Listed(each["Contact"]["Email"], each["Flags"]["NoMail"]) for each in self.ams.people}

    def leave(self) -> None:
        """It is away."""
        self._weather.is_away = True

    def come_back(self) -> None:
        """It is there again."""
        self._weather.is_away = self._weather.breaks_off = False

    def break_off(self) -> None:
        """Its list ends in an error after the first page."""
        self._weather.breaks_off = True

    def night(self) -> None:
        """It does nothing at night."""

    def close(self) -> None:
        """Ends the service."""
        self.ams.close()


class FolderSide:
    """A system that exports everybody each night and reads what lies in its other folder before that."""

    name, kind = "branch", "folder"

    def __init__(self, folder: Path) -> None:
        self.ams = FolderAms(folder)
        self._people: dict[str, Listed] = {}
        self._nights = 0
        self._half = False

    @property
    def config(self) -> dict[str, object]:
        """The bridge's configuration."""
        return self.ams.config

    def put(self, key: str, email: str) -> None:
        """Somebody joins."""
        self._people[key] = Listed(email, False)

    def move(self, key: str, email: str) -> None:
        """Somebody has another address."""
        self._people[key] = replace(self._people[key], email=email)

    def flag(self, key: str, flagged: bool) -> None:
        """The staff says whether somebody wants mail."""
        self._people[key] = replace(self._people[key], flagged=flagged)

    def drop(self, key: str) -> None:
        """Somebody leaves."""
        self._people.pop(key, None)

    def everybody(self) -> dict[str, Listed]:
        """Who is there, by remote ID."""
        return dict(self._people)

    def leave(self) -> None:
        """Its folders are not mounted."""
        for path in (self.ams.folder, self.ams.outbox):
            path.rename(path.with_suffix(".away"))

    def come_back(self) -> None:
        """They are mounted again."""
        for path in (self.ams.folder, self.ams.outbox):
            path.with_suffix(".away").rename(path)

    def break_off(self) -> None:
        """The next export is cut off in the middle of a row."""
        self._half = True

    def night(self) -> None:
        """Does what lies there, then exports everybody; a half export is followed by a whole one the night after."""
        if not self.ams.folder.exists():
            return
        for path in sorted(self.ams.outbox.glob("*.csv")):
            for fact in csv.DictReader(path.read_text("utf-8").splitlines()):
                known = self._people.get(fact["remote_id"])
                if known is not None and fact["kind"] in ("unsubscribe", "resubscribe"):
                    self._people[fact["remote_id"]] = replace(known, flagged=fact["kind"] == "unsubscribe")
            path.unlink()
        self._nights += 1
        name = f"members-{self._nights:03}.csv"
        path = self.ams.export(name, [(key, each.email, int(each.flagged), GROUP, 0)
                                      for key, each in self._people.items()], age_s=1_000_000 - self._nights * 86_400)
        if self._half:
            data = path.read_bytes()
            self.ams.file(name, data[:len(data) // 2] + b'"', age_s=1_000_000 - self._nights * 86_400)
            self._half = False

    def close(self) -> None:
        """Nothing to let go of."""


Side = SqlSide | SoapSide | FolderSide
SIDES = (SqlSide, SoapSide, FolderSide)
