"""How do we read members from a folder of exports, and hand facts over in another?"""

from __future__ import annotations

import errno
import logging
import os
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gateway.bridges.folder import exports, outbox
from gateway.bridges.folder.config import FolderConfig, read_config
from gateway.bridges.folder.drop import DONE, FAILED, Drop, Export, reachable, shown
from gateway.bridges.port import Description, MemberStream, Outage, Refused, RemoteMember, WritebackItem
from gateway.domain import sync
from gateway.log import event

log = logging.getLogger("gateway.bridges")

CURSOR = "folder"
"""There is no moment to ask from: what was read is put away. The cursor only says that a list of changes will do."""


@dataclass(slots=True)
class _Batch:
    """The exports that one run reads: the newest full one and what came after it, or changes alone."""

    taken: list[Export] = field(default_factory=list)
    older: list[Export] = field(default_factory=list)  # than a full export that is newer
    broken: tuple[Export, str] | None = None
    last: dict[str, int] = field(default_factory=dict)

    @property
    def is_full(self) -> bool:
        """Whether the first of them lists everybody."""
        return bool(self.taken) and not self.taken[0].is_changes


class FolderStream(MemberStream):
    """The members of a batch of exports, which are put away when the run has stored them."""

    def __init__(self, drop: Drop, batch: _Batch, members: Iterator[RemoteMember]) -> None:
        super().__init__(members, lists_everybody=batch.is_full, cursor=CURSOR)
        self._drop, self._batch, self._is_read = drop, batch, False

    def __next__(self) -> RemoteMember:
        try:
            return super().__next__()
        except StopIteration:
            self._is_read = True
            raise

    def settle(self, state: str, message: str) -> None:
        """Puts away what was read, oldest first, so that one that is left is never older than one that is gone."""
        batch = self._batch
        try:
            if batch.broken is not None:
                self._drop.put_away(batch.broken[0], FAILED, batch.broken[1])
            elif self._is_read and state in (sync.SUCCESS, sync.PARTIAL, sync.SKIPPED):
                for export in batch.older:
                    self._drop.put_away(export, DONE, "It was not read: a newer full export lay beside it.")
                for export in batch.taken:
                    self._drop.put_away(export, FAILED if state == sync.SKIPPED else DONE, message)
        except Outage as away:  # what stays is read again, which changes nothing
            event(log, "export not put away", level=logging.WARNING, reason=str(away))


class FolderBridge:
    """A folder into which a system puts CSV exports. Nothing is touched before the first call."""

    fields: frozenset[str] = frozenset()
    written_fields: frozenset[str] | None = None
    """Changes of any field are handed over, if they are at all."""

    def __init__(self, config: FolderConfig) -> None:
        self._config = config
        self._is_tidy = False
        self._drop = Drop(config)
        self.writes = config.writeback
        self.gives_changes = config.changes is not None

    @classmethod
    def from_config(cls, config: Mapping[str, object]) -> FolderBridge:
        """A bridge from a configuration; raises ``INVALID_VALUE`` naming the key at fault and the remedy."""
        return cls(read_config(config))

    def changed_since(self, since: str | None) -> MemberStream:
        """What the waiting exports list together: the newest full one and the changes after it, or changes alone.

        All are read once before the first member is given. One that cannot be read is refused, with nothing given,
        and put away as failed after the run; the others wait for the next one.
        """
        if since is not None and since != CURSOR:
            raise Refused("This is not a cursor of a folder; read everybody.")
        try:
            batch = self._batch()
        except Outage as away:
            return FolderStream(self._drop, _Batch(), _raising(away))
        if batch.broken is not None:
            return FolderStream(self._drop, batch, _raising(Refused(batch.broken[1])))
        if since is not None and batch.is_full:
            raise Refused("A full export is waiting; read everybody.")
        return FolderStream(self._drop, batch, self._read(batch))

    def members_by_id(self, remote_ids: Sequence[str], timeout_s: float) -> list[RemoteMember]:
        """What the waiting exports say of these people. Raises :class:`Refused` where they do not list everybody and
        one of the people is not in them: nothing is known of that one."""
        deadline, found = time.monotonic() + timeout_s, []
        batch, wanted = self._batch(), frozenset(remote_ids)
        if batch.broken is not None:
            raise Refused(batch.broken[1])
        for member in self._read(batch):
            if time.monotonic() > deadline:
                raise Outage("The exports are too large to be read while somebody waits.")
            if (member.remote_id or "").strip() in wanted:
                found.append(member)
        if not batch.is_full and wanted - {(member.remote_id or "").strip() for member in found}:
            raise Refused("No export that lists everybody is waiting in its folder.")
        return found

    def describe(self) -> Description:
        """Nothing: a folder lists members, and cannot be asked."""
        return Description()

    def fetch(self, remote_ids: Sequence[str], fields: Collection[str], timeout_s: float) -> dict[str, dict[str, str]]:
        """Refused: nobody answers from a folder."""
        raise Refused("A folder cannot be asked for values.")

    def group_members(self, group_id: str) -> MemberStream:
        """Refused: exports have no groups."""
        raise Refused("A folder has no groups.")

    def has_news(self) -> bool:
        """Whether an export may be taken."""
        return bool(self._drop.waiting())

    def write_back(self, item: WritebackItem) -> None:
        """Puts the item into the outbox; the system reads it when it likes, and nobody says what became of it."""
        if item.kind not in self.writes:
            raise Refused(f"The bridge hands over no {item.kind}.")
        if not self._is_tidy:
            outbox.tidy(self._config.outbox)
            self._is_tidy = True
        outbox.put(self._config.outbox, item)

    def check(self) -> None:
        """Returns when the folder can be read and the outbox, if anything is handed over, can be written."""
        self._drop.waiting()
        _require_writable(self._config.folder, "folder of exports")
        if self.writes:
            _require_writable(self._config.outbox, "outbox")

    def close(self) -> None:
        """Nothing is held."""

    def _batch(self) -> _Batch:
        """The exports of a run, each read once; the oldest that cannot be read ends the batch."""
        waiting, batch = self._drop.waiting(), _Batch()
        if waiting:  # else they could not be put away, and would come again and again
            _require_writable(self._config.folder, "folder of exports")
            _require_movable(waiting)
        start = max((place for place, export in enumerate(waiting) if not export.is_changes), default=0)
        batch.older, batch.taken = waiting[:start], waiting[start:]
        for place, export in enumerate(batch.taken):
            try:
                count, found = exports.keys(self._drop, self._config, export, wanted=place > 0)
                if not count and not export.is_changes and len(batch.taken) > 1:
                    raise exports.Broken(f"The full export {shown(export.name)} lists nobody, and ends nobody's link.")
            except exports.Broken as broken:
                batch.broken = (export, str(broken))
                return batch
            batch.last.update(dict.fromkeys(found, place))
        return batch

    def _read(self, batch: _Batch) -> Iterator[RemoteMember]:
        try:
            yield from exports.overlaid(self._drop, self._config, batch.taken, batch.last)
        except exports.Broken as broken:  # it was whole a moment ago
            raise Outage(str(broken)) from None


def _raising(error: Exception) -> Iterator[RemoteMember]:
    raise error
    yield  # a stream, whose first member is asked for in vain


def _require_writable(folder: Path, what: str) -> None:
    with reachable(what):
        if not os.access(folder, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
            folder.stat()  # which says it better where there is none
            raise PermissionError(errno.EACCES, "no right to write in it")


def _require_movable(waiting: Sequence[Export]) -> None:
    for export in waiting:
        if export.stays:
            raise Outage(f"The export {shown(export.name)} belongs to another user, who alone may move it: the folder "
                         "is sticky. Take the sticky bit away (chmod -t).")
