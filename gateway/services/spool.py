"""Where does the body of a bulk import wait, complete and unread, until a worker has time? (PUSH-58, PUSH-94)"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from gateway.domain.upload import Spooled
from gateway.errors import GatewayError
from gateway.formats.inflate import inflate, pack
from gateway.log import event

log = logging.getLogger("gateway.imports")

MAX_WIRE_BYTES = 1024**3
MAX_INFLATED_BYTES = 4 * 1024**3
BLOCK_BYTES = 64 * 1024
_PART, _BODY, _REJECTS = ".part", ".body", ".rejects"
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_REMEDY = "Cut the file into several imports."


def receive(folder: Path, blocks: Iterable[bytes], *, gzip: bool = False) -> Spooled:
    """Writes the body to a file of its own, synced to disk, and answers its size and SHA-256; memory is flat.

    A gzip body stays packed, but is unpacked once on the way to see that it is whole and of a bearable size.
    Raises ``TOO_LARGE``, ``MALFORMED_REQUEST``, ``UNAVAILABLE`` when there is no room, and whatever ``blocks`` raises
    when the sender goes away: then no file is left.
    """
    name = uuid.uuid4().hex + _BODY
    with _written(folder, name) as out:
        writer = _Writer(out, blocks)
        for _ in inflate(writer, MAX_INFLATED_BYTES, _REMEDY) if gzip else writer:
            pass
    return Spooled(name, writer.size, writer.sha256.hexdigest())


def keep_rejects(folder: Path, name: str, blocks: Iterable[bytes], *, gzip: bool) -> str:
    """Writes the rejects of the body ``name``, packed if it was, and answers the name of their file.

    Complete and synced to disk, or not there; writing it again takes its place. Raises ``UNAVAILABLE`` when there is
    no room.
    """
    name = name.removesuffix(_BODY) + _REJECTS
    with _written(folder, name) as out:
        for block in pack(blocks) if gzip else blocks:
            out.write(block)
    return name


@contextmanager
def _written(folder: Path, name: str) -> Iterator[BinaryIO]:
    """A file that is there, complete and synced, once the block has ended well; else nothing is left of it."""
    part = folder / (name + _PART)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        part.rename(folder / name)
        _sync_folder(folder)
    except OSError as error:
        part.unlink(missing_ok=True)
        if error.errno not in _NO_ROOM:
            raise
        event(log, "no room in the spool", level=logging.ERROR)
        raise GatewayError("UNAVAILABLE", "There is no room for the file; nothing of it was kept. Try again later, or "
                                          "tell the operator of the gateway.", retry_after_s=60) from error
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def blocks_of(folder: Path, name: str, *, gzip: bool, position: list[int],
              tick: Callable[[], None]) -> Iterator[bytes]:
    """The unpacked body; ``position[0]`` follows how many bytes of the file have been read.

    ``tick`` is called before each block: a body may go on for long without a record in it.
    """
    blocks = _read(folder / name, position)
    for block in inflate(blocks, MAX_INFLATED_BYTES, _REMEDY) if gzip else blocks:
        tick()
        yield block


def open_blocks(folder: Path, name: str) -> Iterator[bytes]:
    """The bytes of a file as they lie; it is opened at once, so that its removal does not disturb the reading.

    Raises ``FileNotFoundError``.
    """
    blocks = _opened(folder / name)
    next(blocks)
    return blocks


def _opened(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield b""  # begun, so that whoever drops it closes the file
        while block := file.read(BLOCK_BYTES):
            yield block


def discard(folder: Path, name: str) -> None:
    """Removes the file; a file that is gone already is no error."""
    (folder / name).unlink(missing_ok=True)


def tidy(folder: Path, wanted: Collection[str], older_than_s: float) -> int:
    """Removes files that no unfinished job wants and that nobody touched for so long; answers how many."""
    gone, limit = 0, time.time() - older_than_s
    for path in folder.glob("*") if folder.is_dir() else ():
        if path.suffix in (_PART, _BODY, _REJECTS) and path.name not in wanted and path.stat().st_mtime < limit:
            path.unlink(missing_ok=True)
            gone += 1
    return gone


class _Writer:
    """Passes blocks on while it writes, counts and hashes them."""

    def __init__(self, out: BinaryIO, blocks: Iterable[bytes]) -> None:
        self.out, self.blocks = out, blocks
        self.size = 0
        self.sha256 = hashlib.sha256()

    def __iter__(self) -> Iterator[bytes]:
        for block in self.blocks:
            self.size += len(block)
            if self.size > MAX_WIRE_BYTES:
                raise GatewayError("TOO_LARGE", f"The body is larger than {MAX_WIRE_BYTES} bytes. {_REMEDY}")
            self.out.write(block)
            self.sha256.update(block)
            yield block


def _read(path: Path, position: list[int]) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            position[0] += len(block)
            yield block


def _sync_folder(folder: Path) -> None:
    """Makes the rename outlive a power failure."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
