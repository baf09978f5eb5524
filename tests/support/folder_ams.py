"""Which system that speaks through folders do tests sync with? Real ones on the disk."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from gateway.bridges.folder.bridge import FolderBridge

TITLES = ("Member No", "E-Mail", "No Mail", "Groups", "Gone")
COLUMNS = dict(zip(("remote_id", "email", "do_not_email", "interests", "deleted"), TITLES, strict=True))


class FolderAms:
    """A folder with an export of everybody, written anew with every change, and an outbox."""

    kind = "folder"
    has_values = False
    has_groups = False

    def __init__(self, folder: Path) -> None:
        self.folder, self.outbox = folder / "drop box", folder / "our mémos"
        self.folder.mkdir(parents=True)
        self.outbox.mkdir()
        self._people: list[tuple[object, ...]] = []
        self.export("members.csv", [])

    @property
    def config(self) -> dict[str, object]:
        """The bridge's configuration."""
        return {"folder": str(self.folder), "outbox": str(self.outbox), "columns": COLUMNS, "delimiter": ";",
                "changes": "*-changes*.csv", "quiet_s": 0, "writeback": ["unsubscribe", "resubscribe", "bad_email"]}

    def away_config(self) -> dict[str, object]:
        """The configuration of folders that are not there."""
        return {**self.config, "folder": str(self.folder / "gone"), "outbox": str(self.outbox / "gone")}

    def bridge(self, *, away: bool = False, **change: object) -> FolderBridge:
        """A bridge to it, or to one that is away."""
        return FolderBridge.from_config({**(self.away_config() if away else self.config), **change})

    def put(self, remote_id: str | None, email: str | None, no_mail: object = 0, groups: str | None = None,
            gone: int = 0) -> None:
        """Adds a member to the export of everybody."""
        self._people.append((remote_id, email, no_mail, groups, gone))
        self.export("members.csv", self._people)

    def export(self, name: str, rows: Sequence[Sequence[object]], age_s: int = 0, encoding: str = "utf-8") -> Path:
        """Puts an export into the folder, last changed so many seconds ago."""
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=";").writerows([TITLES, *rows])
        return self.file(name, text.getvalue().encode(encoding), age_s)

    def file(self, name: str, data: bytes, age_s: int = 0) -> Path:
        """Puts a file into the folder at once."""
        path, unfinished = self.folder / name, self.folder / f".{name}.tmp"
        unfinished.write_bytes(data)
        os.utime(unfinished, (1_700_000_000 - age_s,) * 2)
        return unfinished.rename(path)

    def facts(self) -> list[Mapping[str, str]]:
        """What lies in the outbox, in the order of the files' names."""
        found = []
        for path in sorted(self.outbox.glob("*.csv")):
            with open(path, encoding="utf-8", newline="") as file:
                found += list(csv.DictReader(file))
        return found

    def row(self, remote_id: str) -> Mapping[str, object]:
        """The member after everything in the outbox is done."""
        kinds = [fact["kind"] for fact in self.facts() if fact["remote_id"] == remote_id]
        flags = [kind == "unsubscribe" for kind in kinds if kind != "bad_email"]
        return {"no_mail": int(bool(flags) and flags[-1]), "bad_email": int("bad_email" in kinds)}

    def lying(self, place: str = "") -> list[str]:
        """The names of the files in the folder, or in a folder of it."""
        folder = self.folder / place
        return sorted(path.name for path in folder.iterdir() if path.is_file()) if folder.exists() else []
