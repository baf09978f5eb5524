"""Where do hits wait, safe from a killed process, until they are in the database? (SEND-47, SEND-50)

Segments of lines in ``<data>/hits``, each the file of one process, which holds its lock. A line is one ``write`` before
the answer: what was answered outlives ``kill -9``. Each process tells the disk to keep its own (fdatasync) about each
second. A disk that stalls stops no server: what it does not take in time is answered and not kept.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gateway.log import event

log = logging.getLogger("gateway.public")

SEGMENT_BYTES = 8 * 1024 * 1024
READ_BYTES = 256 * 1024
COMPLAIN_EVERY_S = 60.0
STALLED_S, SYNC_STALLED_S, PATIENCE_S = 0.2, 2.0, 1.0
"""A disk that takes so long for a line, or for an fdatasync, is stalled; so long a hit waits for it at most."""

_SEGMENT, _NEW, _DONE, _PART, _BAD, _LOCK = ".hits", ".new", ".done", ".part", ".bad", "folding.lock"


class HitSpool:
    """The segment that this process writes. Opens nothing before the first hit; any thread may write."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lost = 0
        self._lock, self._counting = threading.Lock(), threading.Lock()
        self._file: int | None = None
        self._size = 0
        self._writing_since: float | None = None
        self._syncing_since: float | None = None
        self._complained_at = -COMPLAIN_EVERY_S

    @property
    def is_ready(self) -> bool:
        """Whether a hit can be written at once: the file is open, and the disk answers."""
        return self._file is not None and _age_s(self._writing_since) < STALLED_S \
            and _age_s(self._syncing_since) < SYNC_STALLED_S

    def write(self, line: bytes) -> bool:
        """Keeps a line; False when there is no room for it, which is counted in ``lost`` and logged. Never raises."""
        patience_s = max(PATIENCE_S - _age_s(self._writing_since), 0)
        if not self._lock.acquire(timeout=patience_s):
            return self._not_kept("the disk does not answer")
        self._writing_since = time.monotonic()
        try:
            if self._file is None:
                self._file, self._size = _open_segment(self.folder), 0
            written = os.write(self._file, line)
            if written == len(line):
                self._size += written
                return True
            os.ftruncate(self._file, self._size)  # no room for all of it: no half line may stand before the next
            return self._not_kept("no room")
        except OSError as error:
            return self._not_kept(error.strerror or type(error).__name__)
        finally:
            self._writing_since = None
            self._lock.release()

    def _not_kept(self, reason: str) -> bool:
        with self._counting:
            self.lost += 1
            if time.monotonic() - self._complained_at >= COMPLAIN_EVERY_S:
                self._complained_at = time.monotonic()
                event(log, "hit not kept", level=logging.ERROR, reason=reason, lost=self.lost)
        return False

    def sync(self) -> None:
        """Tells the disk to keep what was written; while it does not answer, nothing :attr:`is_ready`."""
        if self._file is not None:
            self._syncing_since = time.monotonic()
            try:
                os.fdatasync(self._file)
            finally:
                self._syncing_since = None

    def turn(self) -> None:
        """Begins a new segment when this one is long, so that the old one can be removed once it is folded."""
        if self._file is None or self._size < SEGMENT_BYTES:
            return
        new = _open_segment(self.folder)
        with self._lock:
            old, self._file, self._size = self._file, new, 0
        os.close(old)

    def close(self) -> None:
        """Lets the segment go; the next hit would open another."""
        with self._lock:
            if self._file is not None:
                os.close(self._file)
                self._file = None


class Segment:
    """A segment of any process, as whoever folds sees it. ``position``: so many bytes are folded already.

    ``ended``: its process has let it go, so nothing is added any more.
    """

    def __init__(self, path: Path) -> None:
        self.name = path.name.removesuffix(_SEGMENT)
        self.position = _folded(path)
        self._path = path
        self._file = path.open("r+b")  # a lock over NFS needs a file that may be written
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.ended = True
        except BlockingIOError:
            self.ended = False

    def read(self) -> bytes:
        """The next lines, up to a quarter of a megabyte, from ``position``."""
        self._file.seek(self.position)
        return self._file.read(READ_BYTES)

    def advance(self, position: int) -> None:
        """Notes how far the segment is in the database; a note that is lost costs work only."""
        self.position = position
        part = self._path.with_suffix(_PART)
        part.write_text(str(position), encoding="ascii")
        part.replace(self._path.with_suffix(_DONE))

    def put_aside(self, data: bytes) -> None:
        """Keeps what cannot be read as a hit in a file beside, for a person to look at."""
        event(log, "damage in the spool of hits", level=logging.ERROR, segment=self.name, size_bytes=len(data))
        with self._path.with_suffix(_BAD).open("ab") as file:
            file.write(data + b"\n")

    def settle(self, waiting: bool) -> None:
        """Removes an ended segment unless lines of it are ``waiting``: then the disk is told to keep it.

        A line that its process did not finish was answered to nobody.
        """
        if self.ended and waiting:
            os.fdatasync(self._file.fileno())
        elif self.ended:
            rest = self.read()
            if rest:
                self.put_aside(rest)
            self._path.unlink()
            self._path.with_suffix(_DONE).unlink(missing_ok=True)

    def close(self) -> None:
        """Lets go of the segment."""
        self._file.close()


@contextmanager
def folding(folder: Path) -> Iterator[Iterator[Path]]:
    """Where the segments of this host are, oldest first, for the one process that folds now; none for the others."""
    if not folder.is_dir():
        yield iter(())
        return
    with (folder / _LOCK).open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield iter(())
            return
        os.utime(file.fileno())
        yield iter(sorted(folder.glob(f"*{_SEGMENT}")))


def idle_s(folder: Path) -> float:
    """How long nobody of this host has folded."""
    try:
        return time.time() - (folder / _LOCK).stat().st_mtime
    except OSError:
        return float("inf")


def waiting_bytes(folder: Path) -> int:
    """How much has not been folded yet."""
    total = 0
    for path in folder.glob(f"*{_SEGMENT}"):
        with suppress(OSError):  # folded and gone meanwhile
            total += max(0, path.stat().st_size - _folded(path))
    return total


def _age_s(since: float | None) -> float:
    return 0.0 if since is None else time.monotonic() - since


def _folded(path: Path) -> int:
    try:
        return int(path.with_suffix(_DONE).read_text(encoding="ascii"))
    except (OSError, ValueError):  # not there, or torn: folding again changes nothing (SEND-50)
        return 0


def _open_segment(folder: Path) -> int:
    """A new file under our lock; it gets its name after that, so that nobody takes it for one that was left."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = f"{time.time_ns():020d}-{uuid.uuid4().hex[:12]}"
    new = folder / (name + _NEW)
    file = os.open(new, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        new.rename(folder / (name + _SEGMENT))
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError:
        os.close(file)
        raise
    return file
