"""Where does the body of a bulk import wait, complete and unread, until a worker has time? (PUSH-58, PUSH-94)"""

from __future__ import annotations

import hashlib
import os
import time
import uuid
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from gateway.domain.upload import Spooled
from gateway.errors import GatewayError
from gateway.formats.inflate import inflate

MAX_WIRE_BYTES = 1024**3
MAX_INFLATED_BYTES = 4 * 1024**3
BLOCK_BYTES = 64 * 1024
_PART, _BODY = ".part", ".body"
_REMEDY = "Cut the file into several imports."


def receive(folder: Path, blocks: Iterable[bytes], *, gzip: bool = False) -> Spooled:
    """Writes the body to a file of its own, synced to disk, and answers its size and SHA-256; memory is flat.

    A gzip body stays packed, but is unpacked once on the way to see that it is whole and of a bearable size.
    Raises ``TOO_LARGE``, ``MALFORMED_REQUEST``, and whatever ``blocks`` raises when the sender goes away:
    then no file is left.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = uuid.uuid4().hex
    part = folder / (name + _PART)
    try:
        with part.open("wb") as out:
            writer = _Writer(out, blocks)
            for _ in inflate(writer, MAX_INFLATED_BYTES, _REMEDY) if gzip else writer:
                pass
            out.flush()
            os.fsync(out.fileno())
        part.rename(folder / (name + _BODY))
        _sync_folder(folder)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return Spooled(name + _BODY, writer.size, writer.sha256.hexdigest())


def blocks_of(folder: Path, name: str, *, gzip: bool, position: list[int]) -> Iterator[bytes]:
    """The unpacked body; ``position[0]`` follows how many bytes of the file have been read."""
    blocks = _read(folder / name, position)
    yield from inflate(blocks, MAX_INFLATED_BYTES, _REMEDY) if gzip else blocks


def discard(folder: Path, name: str) -> None:
    """Removes the file; a file that is gone already is no error."""
    (folder / name).unlink(missing_ok=True)


def tidy(folder: Path, wanted: Collection[str], older_than_s: float) -> int:
    """Removes files that no unfinished job wants and that nobody touched for so long; answers how many."""
    gone, limit = 0, time.time() - older_than_s
    for path in folder.glob("*") if folder.is_dir() else ():
        if path.suffix in (_PART, _BODY) and path.name not in wanted and path.stat().st_mtime < limit:
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
