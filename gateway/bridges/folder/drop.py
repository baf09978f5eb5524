"""Which exports lie in the folder, which may be taken, and where do they go when they were read?"""

from __future__ import annotations

import errno
import fnmatch
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from gateway.bridges.folder.config import FolderConfig
from gateway.bridges.port import Outage

DONE, FAILED = "done", "failed"
UNFINISHED = (".tmp", ".part", ".filepart", ".partial", "~")
"""Names that programs give to a file while they write it; it is taken when it is renamed."""
MAX_NAME_BYTES = 230
"""Of a file that is put away; disks take 255, and a number and ``.txt`` may come to it."""


@dataclass(frozen=True, slots=True)
class Export:
    """One file as it lay there. ``mark`` tells it from another, or a longer one, of the same name. ``stays``: it is
    somebody else's, and the folder lets only its owner move it."""

    name: str
    is_changes: bool
    mark: tuple[int, int, int]
    stays: bool = False


class Drop:
    """The folder of exports. Every method raises :class:`Outage` when the folder cannot be used."""

    def __init__(self, config: FolderConfig) -> None:
        self._config = config

    def waiting(self) -> list[Export]:
        """The exports that may be taken, oldest first: whole files of the pattern that nobody writes any more."""
        found = []
        with reachable("folder of exports"), os.scandir(self._config.folder) as entries:
            folder = os.stat(self._config.folder)
            for entry in entries:
                if not self._is_export(entry.name):
                    continue
                seen = entry.stat(follow_symlinks=False)
                # of the inode, by the clock of the file's own disk: a copy may give the file an old time at its end
                if stat.S_ISREG(seen.st_mode) and time.time() - seen.st_ctime >= self._config.quiet_s:
                    found.append((seen.st_mtime_ns if self._config.order == "time" else 0, entry.name, seen))
        found.sort(key=lambda each: each[:2])
        changes = self._config.changes
        return [Export(name, changes is not None and fnmatch.fnmatchcase(name, changes), _mark(seen),
                       _stays(folder, seen)) for _, name, seen in found]

    def open(self, export: Export) -> int:
        """A file descriptor to read the export. Raises :class:`Outage` if it is not the file that was seen."""
        with reachable(f"export {shown(export.name)}"):
            # not to hang on a pipe, which may lie there since the folder was looked at
            descriptor = os.open(self._config.folder / export.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        self.check(export, descriptor)
        return descriptor

    def check(self, export: Export, descriptor: int) -> None:
        """Raises :class:`Outage` if the open file has changed since it was seen."""
        with reachable("export"):
            same = _mark(os.fstat(descriptor)) == export.mark
        if not same:
            raise Outage(f"The export {shown(export.name)} is being written. It is read when it is left alone.")

    def put_away(self, export: Export, place: str, why: str) -> None:
        """Moves the export to ``done`` or ``failed``, with a text beside it that says why, if there is a reason.

        A file that has changed since it was read stays: it is another export.
        """
        source, folder = self._config.folder / export.name, self._config.folder / place
        with reachable("folder of exports"):
            try:
                if _mark(source.lstat()) != export.mark:
                    return
            except FileNotFoundError:
                return
            _make_folder(folder)
            target = _free(folder / _short(export.name))
            if why:
                write_new(target.with_name(target.name + ".txt"), why + "\n")
            with suppress(FileNotFoundError):  # another run was quicker
                source.rename(target)

    def _is_export(self, name: str) -> bool:
        return (fnmatch.fnmatchcase(name, self._config.pattern) and not name.startswith(".")
                and not name.lower().endswith(UNFINISHED))


@contextmanager
def reachable(what: str) -> Iterator[None]:
    """Turns errors of the disk into :class:`Outage`, whose text shows no path."""
    try:
        yield
    except OSError as error:
        raise Outage(f"The {what} cannot be used ({type(error).__name__}: {error.strerror}).") from None


def write_new(path: Path, text: str, *, synced: bool = False) -> None:
    """Writes a file that was not there; a link or an old file of that name goes. ``synced``: it is on the disk then.

    Raises ``OSError``.
    """
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
    with open(descriptor, "w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        if synced:
            os.fsync(file.fileno())


def shown(name: str) -> str:
    """A foreign file's name as texts may show it: one line, of a bounded length."""
    return "".join(each if each.isprintable() else "?" for each in name[:100])


def _mark(seen: os.stat_result) -> tuple[int, int, int]:
    return seen.st_ino, seen.st_size, seen.st_mtime_ns


def _stays(folder: os.stat_result, seen: os.stat_result) -> bool:
    """Whether the sticky bit of the folder keeps us from moving the file."""
    return bool(folder.st_mode & stat.S_ISVTX) and os.geteuid() not in (0, folder.st_uid, seen.st_uid)


def _make_folder(folder: Path) -> None:
    """The folder, which must be one and no link: whoever may write into the other one must not choose the place."""
    with suppress(FileExistsError):
        folder.mkdir()
    if not stat.S_ISDIR(folder.lstat().st_mode):
        raise NotADirectoryError(errno.ENOTDIR, f"'{folder.name}' in it is not a folder")


def _short(name: str) -> str:
    """The name, with room for what is put at its end."""
    raw = os.fsencode(name)
    if len(raw) <= MAX_NAME_BYTES:
        return name
    suffix = os.fsencode(Path(name).suffix)
    suffix = suffix if len(suffix) < MAX_NAME_BYTES // 4 else b""
    return os.fsdecode(raw[:MAX_NAME_BYTES - len(suffix)] + suffix)


def _free(path: Path) -> Path:
    """The path, or one with a number in its name where there is a file already: nothing is overwritten."""
    tried, number = path, 1
    while os.path.lexists(tried):
        number += 1
        tried = path.with_name(f"{path.stem}.{number}{path.suffix}")
    return tried
