"""How does a fact get into the folder that the foreign system reads, once and whole?"""

from __future__ import annotations

import csv
import io
import os
import threading
import time
from contextlib import suppress
from pathlib import Path

from gateway.bridges.folder.drop import reachable, write_new
from gateway.bridges.port import WritebackItem
from gateway.clock import instant

COLUMNS = ("writeback_id", "kind", "remote_id", "email", "occurred_at", "origin", "reason", "code", "bounce_class",
           "interest", "field", "value", "instance_id", "mailing", "link")
"""A published format: what is new comes at the end, and nothing is moved or taken away."""
LEFT_AFTER_S = 3600.0


def put(folder: Path, item: WritebackItem) -> None:
    """Writes the item as a CSV file of its own, named by its id; returns when it is on the disk.

    It appears whole. Where it lies already, it stays as it is; once taken by the system, a repetition puts the same
    file again (ID-62). In the order of their names, the files of one person are in the order of what happened.
    """
    final = folder / f"writeback-{item.writeback_id:012d}.csv"
    # a name of our own: a worker that was given up may still be writing the same one
    unfinished = folder / f".{final.name}.{os.getpid()}-{threading.get_ident()}.tmp"
    with reachable("outbox"):
        if os.path.lexists(final):
            return
        write_new(unfinished, _text(item), synced=True)
        unfinished.rename(final)
        _to_disk(folder)


def tidy(folder: Path) -> None:
    """Deletes what killed workers left unfinished: it names people."""
    with reachable("outbox"), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".writeback-") and entry.name.endswith(".tmp"):
                with suppress(FileNotFoundError):
                    if time.time() - entry.stat(follow_symlinks=False).st_ctime > LEFT_AFTER_S:
                        os.unlink(entry.path)


def _text(item: WritebackItem) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    values = {name: getattr(item, name) for name in COLUMNS} | {"occurred_at": instant(item.occurred_at)}
    writer.writerow(COLUMNS)
    writer.writerow(["" if values[name] is None else values[name] for name in COLUMNS])
    return text.getvalue()


def _to_disk(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
