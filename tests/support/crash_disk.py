"""What is left on a disk after a kill or a power failure? A disk in memory that stands in for ``os`` and ``fcntl``.

A kill ends a process: its handles and locks are gone, every byte it wrote stays. A power failure ends all, and
keeps only what was synced: of each file's rest any part, of each folder's changes any choice.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

PAGE = 64
"""Small, so that few lines fill several."""


class Killed(BaseException):
    """The process that called ends here."""


class Node:
    """A file (``data``, of which ``synced`` bytes are durable) or a folder (``entries``, ``durable`` ones)."""

    st_mtime = 0.0

    def __init__(self, *, folder: bool) -> None:
        self.folder = folder
        self.data, self.synced = bytearray(), 0
        self.entries: dict[str, Node] = {}
        self.durable: dict[str, Node] = {}


class SimulatedDisk:
    """The calls of ``os`` and ``fcntl`` that a journal makes. ``process`` is who makes them now; after ``fuse`` more
    calls that change something it is killed; calls named in ``deaf`` answer well and do nothing."""

    O_WRONLY, O_RDONLY, O_CREAT, O_EXCL = os.O_WRONLY, os.O_RDONLY, os.O_CREAT, os.O_EXCL
    O_APPEND, O_CLOEXEC, O_DIRECTORY = os.O_APPEND, os.O_CLOEXEC, os.O_DIRECTORY
    LOCK_EX, LOCK_NB = 2, 4
    register_at_fork = staticmethod(os.register_at_fork)

    def __init__(self) -> None:
        self.process: object = None
        self.fuse: int | None = None
        self.deaf: set[str] = set()
        self.root = Node(folder=True)
        self.empty()
        self.handles: dict[int, list] = {}  # number -> [process, description]; a description: [node, position]
        self.locks: dict[int, list] = {}  # id(node) -> description
        self.next_handle = 3
        self.removed = 0  # files, so far
        self.path = SimpleNamespace(samestat=lambda a, b: a is b, isdir=self._is_folder)

    @contextmanager
    def without(self, *calls: str) -> Iterator[None]:
        """Leaves these calls out."""
        self.deaf |= set(calls)
        try:
            yield
        finally:
            self.deaf -= set(calls)

    def empty(self) -> None:
        """A new disk, with the folder ``/data``."""
        self.root.entries = {"data": Node(folder=True)}
        self.root.durable = dict(self.root.entries)

    # --- what happens to it ---------------------------------------------------------------------------------

    def kill(self, process: object) -> None:
        """Ends a process."""
        for number, (owner, _) in list(self.handles.items()):
            if owner == process and number in self.handles:
                self.close(number)

    def rot(self, folder: Path, chance: random.Random) -> None:
        """Changes one byte of one file in the folder, but not in its last line."""
        files = [node for node in self._node(folder).entries.values() if node.data.count(b"\n") > 1]
        for node in chance.sample(files, min(1, len(files))):
            node.data[chance.randrange(node.data.rstrip(b"\n").rindex(b"\n"))] ^= 1 << chance.randrange(8)

    def lose_power(self, chance: random.Random, *, holes: bool = False) -> None:
        """Ends all processes. ``holes``: pages in the middle of what was not synced may be lost, too."""
        self.handles.clear()
        self.locks.clear()
        self._forget(self.root, chance, holes)

    def _forget(self, node: Node, chance: random.Random, holes: bool) -> None:
        if node.folder:
            for name in {*node.entries, *node.durable}:
                kept = chance.choice((node.entries, node.durable)).get(name)
                node.entries.pop(name, None)
                if kept is not None:
                    node.entries[name] = kept
            node.durable = dict(node.entries)
            for inner in node.entries.values():
                self._forget(inner, chance, holes)
            return
        rest = len(node.data) - node.synced
        kept = chance.choice((0, rest, chance.randint(0, rest)))
        if chance.random() < 0.5:  # whole pages
            kept = max(0, (node.synced + kept) // PAGE * PAGE - node.synced) if kept < rest else kept
        del node.data[node.synced + kept:]
        if chance.random() < 0.2:
            node.data += bytes(rest - kept)  # the size came to the disk, the bytes did not
        for page in range(node.synced // PAGE * PAGE, len(node.data), PAGE) if holes else ():
            if chance.random() < 0.5:
                start = max(page, node.synced)
                node.data[start:page + PAGE] = bytes(len(node.data[start:page + PAGE]))
        node.synced = len(node.data)

    # --- os and fcntl ---------------------------------------------------------------------------------------

    def _changes(self, call: str) -> bool:
        """Whether the call is to be done; burns the fuse."""
        if self.fuse is not None:
            self.fuse -= 1
            if self.fuse < 0:
                self.fuse = None
                raise Killed
        return call not in self.deaf

    def _node(self, path: Path) -> Node:
        node = self.root
        for part in filter(None, str(path).split("/")):
            if part not in node.entries:
                raise FileNotFoundError(path)
            node = node.entries[part]
        return node

    def _place(self, path: Path) -> tuple[Node, str]:
        """The folder that a path is in, and its name there."""
        parent, _, name = str(path).rpartition("/")
        return (self._node(parent) if parent else self.root), name

    def _is_folder(self, path: Path) -> bool:
        try:
            return self._node(path).folder
        except FileNotFoundError:
            return False

    def open(self, path: Path, flags: int, mode: int = 0o777) -> int:
        parent, name = self._place(path)
        if flags & os.O_CREAT and self._changes("open"):
            if name in parent.entries:
                raise FileExistsError(path)
            parent.entries[name] = Node(folder=False)
        node = self._node(path)
        self.next_handle += 1
        self.handles[self.next_handle] = [self.process, [node, 0]]
        return self.next_handle

    def dup(self, number: int) -> int:
        self.next_handle += 1
        self.handles[self.next_handle] = list(self.handles[number])
        return self.next_handle

    def close(self, number: int) -> None:
        if number not in self.handles:
            return  # the ``finally`` of one that was killed; a real kill runs none
        _, description = self.handles.pop(number)
        if not any(other is description for _, other in self.handles.values()):
            if self.locks.get(id(description[0])) is description:
                del self.locks[id(description[0])]

    def write(self, number: int, data: bytes) -> int:
        if self._changes("write"):
            self.handles[number][1][0].data += data
        return len(data)

    def read(self, number: int, size: int) -> bytes:
        description = self.handles[number][1]
        data = bytes(description[0].data[description[1]:description[1] + size])
        description[1] += len(data)
        return data

    def fdatasync(self, number: int) -> None:
        if self._changes("fdatasync"):
            node = self.handles[number][1][0]
            node.synced = len(node.data)

    def fsync(self, number: int) -> None:
        if self._changes("fsync"):
            node = self.handles[number][1][0]
            node.durable, node.synced = dict(node.entries), len(node.data)

    def mkdir(self, path: Path, mode: int = 0o777) -> None:
        parent, name = self._place(path)
        if self._changes("mkdir"):
            if name in parent.entries:
                raise FileExistsError(path)
            parent.entries[name] = Node(folder=True)

    def rename(self, old: Path, new: Path) -> None:
        if self._changes("rename"):
            (parent, name), (new_parent, new_name) = self._place(old), self._place(new)
            new_parent.entries[new_name] = parent.entries.pop(name)

    def unlink(self, path: Path) -> None:
        if self._changes("unlink"):
            parent, name = self._place(path)
            del parent.entries[name]
            self.removed += 1

    def rmdir(self, path: Path) -> None:
        assert not self._node(path).entries
        self.unlink(path)

    def listdir(self, path: Path) -> list[str]:
        return list(self._node(path).entries)

    def stat(self, path: Path) -> Node:
        return self._node(path)

    def fstat(self, number: int) -> Node:
        return self.handles[number][1][0]

    def flock(self, number: int, _operation: int) -> None:
        description = self.handles[number][1]
        if self.locks.setdefault(id(description[0]), description) is not description and "flock" not in self.deaf:
            raise BlockingIOError
