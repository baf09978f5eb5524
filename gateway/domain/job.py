"""What is a background job to the embedded engine: a message that waits, and the claim of a worker on it?"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Job:
    """A message to keep until ``run_at``. ``body`` is the engine's own encoding and opaque here."""

    message_id: str
    queue: str
    actor: str
    priority: int
    run_at: dt.datetime
    body: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """A worker's hold on one job until its lease ends.

    ``owner`` and ``claims`` together are the fence: once another worker has claimed the job, nothing
    that is done in the name of this claim has an effect.
    """

    id: int
    message_id: str
    owner: str
    claims: int
    body: bytes


@dataclass(frozen=True, slots=True)
class QueueCount:
    """How full a queue is: ``waiting`` (due or delayed), ``claimed`` (in work), ``dead`` (given up)."""

    waiting: int = 0
    claimed: int = 0
    dead: int = 0
