"""Does another host use our data folder? The locks of journals and hits hold within one host only (SEND-14, SEND-50).

Every process of a host shows in ``<data>/host`` that its host lives. A host is a running kernel: containers on one
machine are one host, and after a restart it is another, whose predecessor shows nothing any more.
"""

from __future__ import annotations

import logging
import os
import platform
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import SettingsError
from gateway.log import event
from gateway.mail import journal

log = logging.getLogger("gateway.services")

FILE = "host"
BEAT_S, LOOK_S, WATCH_S = 2.0, 0.25, 10.0
"""How often a host shows that it lives, and how closely and how long another one looks before it takes over."""
FORGOTTEN_S = 600.0
"""Who has shown nothing for so long, by whatever clock, is not waited for."""


@dataclass(frozen=True, slots=True)
class _Sign:
    boot_id: str
    name: str
    shown_ns: int


def claim(folder: Path) -> None:
    """Takes the data folder for this host. Raises ``SettingsError`` when another one uses it."""
    path, ours = folder / FILE, _boot_id()
    seen = _look(path)
    if ours is None or (seen is not None and seen.boot_id == ours):
        return
    if seen is not None and time.time() - seen.shown_ns / 1e9 < FORGOTTEN_S:
        ends = time.monotonic() + WATCH_S
        while time.monotonic() < ends:
            time.sleep(LOOK_S)
            now = _look(path)
            if now is not None and now.boot_id == ours:
                return
            if now is not None and now != seen:
                raise SettingsError(
                    f"GATEWAY_DATA_DIR: the host {now.name} uses {folder}. The locks of journals and of opens and "
                    "clicks hold within one host only: give each host a data folder on a disk of its own, and let them "
                    "share GATEWAY_SPOOL_DIR.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f"{FILE}.{os.getpid()}"
        part.write_text(f"{ours} {platform.node()}\n", encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise SettingsError(f"GATEWAY_DATA_DIR: {folder} cannot be written: {error.strerror}.") from None


class Host:
    """Shows that this host uses the data folder, until it is stopped. ``start`` claims it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="host", daemon=True)

    def start(self) -> None:
        """Raises ``SettingsError`` as :func:`claim`."""
        claim(self._folder)
        self._thread.start()

    def stop(self) -> None:
        """Ends it and waits."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        path, ours = self._folder / FILE, _boot_id()
        while ours is not None and not self._stop.wait(BEAT_S):
            seen = _look(path)
            if seen is not None and seen.boot_id != ours:  # both began at the same moment: one must go
                event(log, "another host uses the data folder, stopping", level=logging.ERROR, host=seen.name)
                os.kill(os.getpid(), signal.SIGTERM)
                return
            try:
                os.utime(path)
            except OSError:  # the disk is away, or somebody removed the file: the next beat may find it
                continue


def _boot_id() -> str | None:
    """Which running kernel this is; None where it does not tell."""
    return journal.boot_id() if Path(journal.BOOT_ID).exists() else None


def _look(path: Path) -> _Sign | None:
    """The sign as it is now: opening a file asks its server, also where attributes are kept for a while (NFS)."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            boot_id, _, name = file.read(500).strip().partition(" ")
            return _Sign(boot_id, name, os.fstat(file.fileno()).st_mtime_ns)
    except OSError:
        return None
