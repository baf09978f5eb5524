"""How does the reading of a group in an AMS end, and what does a list of such groups show? (ID-38, ID-69, ID-70)"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.domain.brake import Brake

READY, WAITS, FAILED = "ready", "waits", "failed"
"""Of what an audience depends on: all of it is read; somebody is at it; it could not be read."""

JOINED, LEFT, MEMBERS, OPTED_OUT = "joined", "left", "members", "optedOut"
GROUP_COUNTS = (MEMBERS, JOINED, LEFT, OPTED_OUT)
"""What is counted of a group beside the rows: people in it now, who joined and left, and who stays out (ID-39)."""


@dataclass(frozen=True, slots=True)
class LastReading:
    """How a group was read last: ``state`` as of a sync, or that somebody is at it; ``message`` why."""

    state: str
    message: str
    started_at: dt.datetime


@dataclass(frozen=True, slots=True)
class GroupView:
    """A group as its AMS offers it; ``interest_id`` and ``interest``: it is one here already, whose last complete
    answer is of ``resolved_at``, while ``last`` may have ended otherwise. ``is_gone``: an interest here whose group the
    AMS does not offer any more; ``name`` is the interest's then."""

    group_id: str
    name: str
    size: int | None = None
    interest_id: int | None = None
    interest: str | None = None
    resolved_at: dt.datetime | None = None
    last: LastReading | None = None
    is_gone: bool = False


@dataclass(frozen=True, slots=True)
class GroupReport:
    """How the reading of a group ended (ID-72): ``state`` as of a sync, ``message`` why.

    ``counters``: the rows as a sync counts them, and ``GROUP_COUNTS``.
    """

    interest_id: int
    interest: str
    integration: str
    state: str
    message: str
    counters: Mapping[str, int]
    run_id: int
    started_at: dt.datetime
    finished_at: dt.datetime


def held_as_empty(brake: Brake, listed: int, leaving: int) -> str:
    """Why an answer without anybody is not taken for an empty group, or nothing.

    A group is a question whose answer may change altogether between two mailings, so the brake does not count who
    leaves; but that nobody answers to it any more is what a broken query says, too.
    """
    if listed or not brake.holds(leaving, leaving):
        return ""
    return (f"The system lists nobody in the group, which has {leaving} people here. Nobody was taken out: look at the "
            "group there; if it is right, an administrator resolves it with release.")
