"""Is this the configuration of a watched folder?"""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.bridges.checks import columns, number, only, word, wrong
from gateway.domain.writeback import KINDS, USUAL

KEYS = ("folder", "columns", "outbox", "pattern", "changes", "delimiter", "encoding", "quiet_s", "order", "writeback")
ORDERS = ("time", "name")
MAX_QUIET_S = 86_400.0


@dataclass(frozen=True, slots=True)
class FolderConfig:
    """A checked configuration. ``changes`` is the pattern of exports that list changes only; None: none does."""

    folder: Path
    outbox: Path
    columns: Mapping[str, str]
    pattern: str
    changes: str | None
    delimiter: str
    encoding: str
    quiet_s: float
    order: str
    writeback: frozenset[str]


def read_config(config: Mapping[str, object]) -> FolderConfig:
    """Checks a configuration without touching a disk. Raises ``INVALID_VALUE`` with the key at fault and the remedy."""
    only(config, KEYS, "")
    folder = _path("folder", config.get("folder"))
    outbox = _path("outbox", config["outbox"]) if "outbox" in config else folder / "outbox"
    if folder in (outbox, outbox / "done", outbox / "failed") or outbox in (folder / "done", folder / "failed"):
        raise wrong("outbox", "must be a folder of its own, else what we write there is read as an export")
    changes = config.get("changes")
    return FolderConfig(
        folder, outbox, columns("columns", config.get("columns"), "the title of the column in the file's first line"),
        _pattern("pattern", config.get("pattern", "*.csv")), None if changes is None else _pattern("changes", changes),
        _delimiter(config.get("delimiter", ",")), _encoding(config.get("encoding", "utf-8")),
        number("quiet_s", config.get("quiet_s", 30), 0, MAX_QUIET_S, "seconds"), _order(config.get("order", "time")),
        _writeback(config.get("writeback", list(USUAL))))


def _path(key: str, value: object) -> Path:
    path = Path(word(key, value, "the full path of a folder, such as /srv/ams/exports"))
    if not path.is_absolute() or ".." in path.parts:
        raise wrong(key, "must be the full path of a folder, such as /srv/ams/exports")
    return path


def _pattern(key: str, value: object) -> str:
    pattern = word(key, value, "a pattern of file names, such as members-*.csv")
    if "/" in pattern:
        raise wrong(key, "must be a pattern of file names in the folder, without '/'")
    return pattern


def _delimiter(value: object) -> str:
    if not isinstance(value, str) or len(value) != 1 or value in '"\r\n\0 ':
        raise wrong("delimiter", r"must be one character, such as , or ; or \t")
    return value


def _encoding(value: object) -> str:
    try:
        name = codecs.lookup(str(value)).name
        if "a".encode(name).decode(name) != "a":  # those that are not of texts raise
            raise LookupError
    except (LookupError, UnicodeError, ValueError, TypeError):
        raise wrong("encoding", "must be the name of an encoding of texts, such as utf-8 or cp1252") from None
    return "utf-8-sig" if name == "utf-8" else name


def _order(value: object) -> str:
    if value not in ORDERS:
        raise wrong("order", f"must be one of {', '.join(ORDERS)}: what tells which export is older")
    return str(value)


def _writeback(value: object) -> frozenset[str]:
    if not isinstance(value, list) or not all(kind in KINDS for kind in value):
        raise wrong("writeback", f"must be a list of kinds, empty where nothing is handed over; known are "
                                 f"{', '.join(KINDS)}")
    return frozenset(value)
