"""Where does a sender note what it is about to do, so that a crash leaves no doubt but the least? (SEND-14..21)

One folder per sender, ``<folder>/<sender>/``, whose lock lives exactly as long as the process; in it the segments,
numbered in the order they were written. Everything is on a local disk. Linux only: the lock is flock(2) on a folder.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import re
import threading
import time
import uuid
import weakref
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from gateway.domain.journal import Fates, Result, begin_line, fates, header, parse, plan_line, result_line

BOOT_ID = "/proc/sys/kernel/random/boot_id"
DAMAGED = ".damaged"
"""How the folder of a journal ends that was read, could not be believed everywhere, and is kept for a person."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")
_SEGMENT = re.compile(r"\d{8,}")
_BLOCK = 1 << 20
_NEW = ".new"
_NEW_FOR_S = 60.0
_open_journals: weakref.WeakSet[Journal] = weakref.WeakSet()


class JournalBroken(Exception):
    """A line could not be written or synced: the sender must stop (SEND-18). What it knows in memory is still true."""


class Journal:
    """The journal of one sender. ``begin`` and ``end`` cost one write; ``sync`` and ``turn`` wait for the disk, and
    nobody who writes waits for them.

    Safe for threads: ``plan`` or ``sync``, and ``turn`` and ``settle``, may run beside the others. After a failure
    every method but ``close`` raises ``JournalBroken``. A forked child has no part in it: its calls raise, and its copy
    of the lock is gone.
    """

    def __init__(self, place: Path, sender: str, lock: int) -> None:
        """For :meth:`open` only: ``place`` is the folder that ``lock`` has locked."""
        self._place, self._sender, self._lock, self._boot_id = place, sender, lock, boot_id()
        self._writing, self._syncing = threading.Lock(), threading.Lock()
        self._broken: str | None = None
        self._number = 1
        self._named: dict[int, set[int]] = {1: set()}
        self._current = self._named[1]
        self._segment = self._new_segment(1)
        _forget_in_children()
        _open_journals.add(self)

    @classmethod
    def open(cls, folder: Path, sender: str) -> Journal:
        """Makes and locks the journal of a new sender; the name is never used again. Nothing of it is lost by a power
        failure once this returns. Raises ``JournalBroken``."""
        if not _NAME.fullmatch(sender):
            raise ValueError(f"not a sender's name: {sender!r}")
        place = folder / sender
        unseen = folder / (sender + _NEW)  # until it is locked, or somebody takes it for a dead one
        try:
            _make_folder(folder)
            os.mkdir(unseen, 0o700)
            lock = _lock(unseen)
            if lock is None:
                raise OSError(0, "somebody else has it")
            try:
                os.rename(unseen, place)
                journal = cls(place, sender, lock)
                _sync_folder(folder)
            except OSError:
                os.close(lock)
                raise
            return journal
        except OSError as error:
            raise JournalBroken(f"The journal {place} can not be made: {error.strerror}.") from error

    def plan(self, rows: Sequence[tuple[int, int]]) -> None:
        """Notes (delivery, attempt) of a group that may be started once this returns: one write, one fdatasync."""
        self.propose(rows)
        self.sync()

    def propose(self, rows: Sequence[tuple[int, int]]) -> None:
        """The first half of ``plan``: nothing of these rows may be started before a ``sync`` that began afterwards."""
        self._write(b"".join([plan_line(*row) for row in rows]), [row[0] for row in rows])

    def sync(self) -> None:
        """Waits until everything proposed so far, in this segment or an older one, outlives a power failure."""
        with self._syncing:  # a turn under way syncs the segment that it leaves
            self._check()
            try:
                os.fdatasync(self._segment)
            except OSError as error:
                raise self._break("synced", error) from error

    def begin(self, delivery_id: int, attempt: int) -> None:
        """Notes that the body of a planned row leaves now. When this raises, no byte of it may leave."""
        self._write(begin_line(delivery_id, attempt), (delivery_id,))

    def end(self, result: Result) -> None:
        """Notes the outcome. When this raises, the outcome is still true and still to be folded."""
        self._write(result_line(result), (result.delivery_id,))

    def turn(self) -> None:
        """Goes on in a new segment, whose place in the folder is durable; the old one is synced before any ``sync``
        returns, for it may hold a proposal that still waits for it (SEND-20)."""
        with self._syncing:
            self._check()
            try:
                segment = self._new_segment(self._number + 1)
                with self._writing:
                    old, self._segment, self._number = self._segment, segment, self._number + 1
                    self._current = self._named[self._number] = set()
                try:
                    os.fdatasync(old)
                finally:
                    os.close(old)
            except OSError as error:
                raise self._break("turned", error) from error

    def settle(self, open_rows: Collection[int]) -> None:
        """Removes every older segment that names no row of ``open_rows``: those that this sender has claimed and whose
        outcome no durable commit holds, as of now. A row that is not among them counts as settled from here on."""
        with self._syncing:
            self._check()
            with self._writing:
                for named in self._named.values():
                    named.intersection_update(open_rows)
            for number in [number for number, named in self._named.items() if not named and number != self._number]:
                try:
                    os.unlink(self._place / _file_name(number))
                except OSError as error:
                    raise self._break("tidied", error) from error
                del self._named[number]

    def close(self) -> None:
        """Lets go of the lock. The folder goes with it if the last ``settle`` left nothing open and nothing was
        written since; else it stays for :func:`abandoned`."""
        with self._syncing, self._writing:
            if self._lock < 0:
                return
            if not any(self._named.values()) and self._broken is None:
                with contextlib.suppress(OSError):  # then a recovery finds it, and nothing in it
                    _remove(self._place)
            self._let_go("it is closed")

    def _write(self, data: bytes, rows: Collection[int]) -> None:
        with self._writing:
            if self._broken is not None:
                self._check()
            try:
                if os.write(self._segment, data) != len(data):  # what comes next would stand behind half a line
                    raise OSError(0, "the disk is full")
            except OSError as error:
                raise self._break("written", error) from error
            self._current.update(rows)

    def _new_segment(self, number: int) -> int:
        """A file whose entry in the folder is durable; its header is, with the first ``sync``."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        segment = os.open(self._place / _file_name(number), flags, 0o600)
        line = header(self._sender, self._boot_id)
        if os.write(segment, line) != len(line):
            raise OSError(0, "the disk is full")
        _sync_folder(self._place)
        return segment

    def _check(self) -> None:
        if self._broken is not None:
            raise JournalBroken(f"The journal {self._place} can not be written: {self._broken}.")

    def _break(self, what: str, error: OSError) -> JournalBroken:
        self._broken = error.strerror or str(error)
        return JournalBroken(f"The journal {self._place} could not be {what}: {self._broken}.")

    def _let_go(self, why: str) -> None:
        _open_journals.discard(self)
        self._broken = self._broken or why
        for handle in (self._segment, self._lock):
            os.close(handle)
        self._segment = self._lock = -1

    @staticmethod
    def forget_all() -> None:
        """In a forked child: closes its copies, or it would hold the parent's locks when the parent is dead."""
        for journal in list(_open_journals):
            journal._writing, journal._syncing = threading.Lock(), threading.Lock()  # a thread not here may hold them
            journal._let_go("this process was forked from its sender")


class Abandoned:
    """The journal of a dead sender, locked: nobody else reads or removes it meanwhile."""

    def __init__(self, place: Path, lock: int) -> None:
        self._place, self._lock = place, lock
        self.sender = place.name

    def fates(self) -> Fates:
        """What becomes of each row that the sender had claimed (SEND-21); ask for each with ``Fates.of``."""
        names = sorted((name for name in os.listdir(self._place) if _SEGMENT.fullmatch(name)), key=int)
        return fates([parse(_read(self._place / name)) for name in names], boot_id())

    def remove(self, *, keep: bool = False) -> None:
        """Removes it, once a durable commit has settled every row the sender had claimed. ``keep`` (for one that is
        damaged) sets it aside for a person instead."""
        if keep:
            os.rename(self._place, self._place.with_name(self.sender + DAMAGED))
        else:
            _remove(self._place)

    def release(self) -> None:
        """Lets go of the lock."""
        os.close(self._lock)


def abandoned(folder: Path) -> Iterator[Abandoned]:
    """The journals of this host whose process is dead, one after the other, each locked while the caller has it.

    A living sender's is never among them, nor one that another recovery has in hand, nor one that was set aside.
    """
    for name in _names(folder):
        lock = _lock(folder / name) if _NAME.fullmatch(name) or _left_unmade(folder / name) else None
        if lock is None:
            continue
        found = Abandoned(folder / name, lock)
        try:
            if name.endswith(_NEW):
                found.remove()
            else:
                yield found
        finally:
            found.release()


def present(folder: Path) -> frozenset[str]:
    """The senders whose journals are on this host, living or dead. Look here BEFORE the rows are looked up: whoever
    has a claimed row and is not here has no journal that could ever tell (SEND-22)."""
    return frozenset(name for name in _names(folder) if _NAME.fullmatch(name))


def set_aside(folder: Path) -> list[str]:
    """The senders whose damaged journals wait for a person's look; removing their folders is all there is to do."""
    return [name.removesuffix(DAMAGED) for name in _names(folder) if name.endswith(DAMAGED)]


@functools.cache
def boot_id() -> str:
    """This start of the machine; a name of its own where the kernel does not tell, so that no start is taken for it."""
    try:
        return _read(Path(BOOT_ID)).decode().strip()
    except OSError:
        return uuid.uuid4().hex


def _lock(place: Path) -> int | None:
    """The lock on a journal's folder, or None when somebody else has it or it is gone."""
    try:
        lock = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(lock), os.stat(place)):
            return lock
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(lock)
    return None


def _left_unmade(place: Path) -> bool:
    """Whether it is the folder of a journal whose making was cut short, and not only this instant."""
    with contextlib.suppress(FileNotFoundError):
        return place.name.endswith(_NEW) and os.stat(place).st_mtime < time.time() - _NEW_FOR_S
    return False


def _remove(place: Path) -> None:
    for name in os.listdir(place):
        os.unlink(place / name)
    os.rmdir(place)


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        return []


def _file_name(number: int) -> str:
    return f"{number:08}"


def _read(path: Path) -> bytes:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return b"".join(iter(lambda: os.read(file, _BLOCK), b""))
    finally:
        os.close(file)


def _make_folder(folder: Path) -> None:
    """The folder of all journals, durable in the data folder also if somebody else made it this instant."""
    if not os.path.isdir(folder.parent):
        os.makedirs(folder.parent, exist_ok=True)
        _sync_folder(folder.parent.parent)
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder, 0o700)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@functools.cache
def _forget_in_children() -> None:
    os.register_at_fork(after_in_child=Journal.forget_all)
