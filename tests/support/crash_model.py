"""What would a sender do, step by step, and what may happen to it between any two? (SEND-62)

The journal is the product's own, on a simulated disk; the store, the mail server and the connections are models. A
history is a random order of steps with kills, power failures and lost hosts in between (``holes``: of disks that lose
pages and change bytes, too); at its end everybody must
have got one copy, or be held in doubt within the bounds of SEND-12. ``leave_out`` names one step to leave out.
"""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from gateway.domain.journal import IN_DOUBT, KNOWN, QUEUED, Result
from gateway.mail.journal import Journal, JournalBroken, abandoned, present
from tests.support.crash_disk import Killed, SimulatedDisk

ROWS, CLAIM, GROUP, CONNECTIONS = 24, 10, 3, 3
FOLDER = Path("/data/journal")
NOW = dt.datetime(2026, 1, 15, 12, tzinfo=dt.UTC)
STATES = {"accepted": "accepted", "deferred": "queued", "in_doubt": "in_doubt", "not_tried": "queued"}

STEPS_LEFT_OUT = {
    "15 the P lines": "lost P, and with it the row's doubt, is only seen after a power failure",
    "15 the fdatasync of a group": "the same",
    "16 the D line": "a begun body looks like a planned one",
    "16 the D before the body": "a body leaves without a note",
    "17 the R line": "a known outcome is in doubt",
    "18 one body at a time": "more than one message of a connection is in doubt",
    "19 the durable claim": "the store forgets who has the row",
    "20 the durable commit before a removal": "the outcome is neither in the store nor in the journal",
    "20 the fdatasync before a turn": "a proposed group stays unsynced",
    "20 the durable entry of a segment": "a whole segment is gone",
    "20 every row settled before a removal": "a D is removed",
    "20 the guard of a fold": "an old outcome is folded over a new one",
    "21 the lock": "a living sender's rows are taken over",
    "21 R is the outcome": "an accepted message is mailed again",
    "21 D without R is in doubt": "a message on its way is mailed again",
    "21 P is in doubt after another start": "a D lost with the memory of the kernel",
    "21 no line is queued": "what never began is held",
    "21 a bad checksum is heeded": "a D that cannot be read",
    "21 the durable commit of a recovery": "as in a fold",
    "22 in doubt without a journal": "the notes are gone with their host",
}


@dataclass(slots=True)
class Row:
    """One delivery in the store."""

    state: str = QUEUED
    owner: str | None = None
    attempt: int = 0


@dataclass(slots=True)
class Sender:
    """What one process knows: rows claimed and not yet folded (row -> attempt), and how far each of them is."""

    name: str
    journal: Journal
    claimed: dict[int, int] = field(default_factory=dict)
    fresh: list[int] = field(default_factory=list)
    proposed: list[int] = field(default_factory=list)
    ready: list[int] = field(default_factory=list)
    on_the_way: dict[int, tuple[int, str]] = field(default_factory=dict)  # connection -> (row, how far)
    results: list[Result] = field(default_factory=list)
    folding: str = ""


class History:
    """One random history. ``run`` raises ``AssertionError`` when the contract does not hold."""

    def __init__(self, disk: SimulatedDisk, seed: int, leave_out: str = "", *, holes: bool = False) -> None:
        self.disk, self.chance, self.leave_out, self.holes = disk, random.Random(seed), leave_out, holes
        self.rows = {number: Row() for number in range(1, ROWS + 1)}
        self.safe = self._copy()
        self.arrived: Counter[int] = Counter()
        self.senders: list[Sender] = []
        self.started = self.boots = self.may_hold = 0

    def boot_id(self) -> str:
        """This start of the machine."""
        return "boot" if self.leave_out.startswith("21 P is") else f"boot-{self.boots}"

    def run(self) -> tuple[int, int]:
        """Lives through it; answers (rows held, rows that might have been held)."""
        for _ in range(self.chance.randint(1, 6)):
            removed = self.disk.removed if self.chance.random() < 0.4 else None  # strike right after a removal
            for _ in range(self.chance.randint(1, 60)):
                self._step()
                if removed is not None and removed != self.disk.removed:
                    break
            self._strike()
        while self._step(calm=True):
            pass
        return self._judge()

    def _judge(self) -> tuple[int, int]:
        states = Counter(row.state for row in self.rows.values())
        for number, row in self.rows.items():
            assert self.arrived[number] <= 1, f"twice: {number} {row}"
            assert row.state != "accepted" or self.arrived[number] == 1, f"lost: {number} {row}"
        held = states[IN_DOUBT]
        assert states.keys() <= {"accepted", IN_DOUBT}, f"left lying: {states}"
        assert held <= self.may_hold, f"{held} held, {self.may_hold} allowed"
        return held, self.may_hold

    # --- what happens to it -----------------------------------------------------------------------------------

    def _strike(self) -> None:
        blow = self.chance.choice(("kill", "kill", "power", "power", "host"))
        if blow == "kill" and self.senders:
            sender = self.chance.choice(self.senders)
            self._kill(sender)
            if self.holes:
                self.may_hold += CLAIM
                self.disk.rot(FOLDER / sender.name, self.chance)
        elif blow == "power":
            self._power_fails()
        elif blow == "host" and self.chance.random() < 0.2:
            self.may_hold += CLAIM * len(self.senders) + self._in_journals()
            self._power_fails(counted=True)
            self.disk.empty()

    def _kill(self, sender: Sender) -> None:
        self.senders.remove(sender)
        self.may_hold += CONNECTIONS
        self._deliver_the_rest(sender)
        self.disk.kill(sender.name)

    def _power_fails(self, *, counted: bool = False) -> None:
        for sender in self.senders:
            self._deliver_the_rest(sender)
        if not counted:
            dead = self._in_journals()
            self.may_hold += (CLAIM if self.holes else GROUP * CONNECTIONS) * len(self.senders) + dead
        self.senders.clear()
        self.disk.lose_power(self.chance, holes=self.holes)
        self.boots += 1
        self.rows = self.safe if self.chance.random() < 0.7 else self.rows
        self.safe = self._copy()

    def _in_journals(self) -> int:
        """Dead senders that nobody has recovered yet: a power failure puts their planned rows in doubt, too."""
        dead = {row.owner for row in self.rows.values()} - {None, *(sender.name for sender in self.senders)}
        return len(dead) * (CLAIM if self.holes else GROUP * CONNECTIONS)

    def _deliver_the_rest(self, sender: Sender) -> None:
        """What was handed to the kernel may arrive, whoever is dead."""
        for row, how_far in sender.on_the_way.values():
            if how_far == "handed" and self.chance.random() < 0.5:
                self.arrived[row] += 1

    # --- steps ------------------------------------------------------------------------------------------------

    def _step(self, *, calm: bool = False) -> bool:
        """One step of one sender, or a new one; False when all is done. Now and then it is killed within the step."""
        may_start = len(self.senders) < (1 if calm else 2)
        if may_start and (not self.senders or self.chance.random() < 0.02):
            if calm and not any(row.state in (QUEUED, "claimed") for row in self.rows.values()):
                return False
            self._guarded(self._start, None, calm)
            return True
        sender = self.chance.choice(self.senders)
        steps = self._steps_of(sender)
        if steps:
            self._guarded(self.chance.choice(steps), sender, calm)
        else:
            self._guarded(lambda: self._leave(sender), sender, calm)
        return True

    def _guarded(self, step, sender: Sender | None, calm: bool) -> None:
        name = sender.name if sender else f"s{self.started}"
        self.disk.process = name
        self.disk.fuse = self.chance.randint(0, 12) if not calm and self.chance.random() < 0.03 else None
        try:
            step()
        except (Killed, JournalBroken):
            if sender in self.senders:
                self._kill(sender)
            else:
                self.disk.kill(name)
        self.disk.fuse = None

    def _steps_of(self, sender: Sender) -> list:
        steps = []
        waiting = len(sender.proposed) + len(sender.ready) + len(sender.on_the_way)
        if not sender.fresh and any(row.state == QUEUED for row in self.rows.values()) and len(sender.claimed) < CLAIM:
            steps.append(lambda: self._claim(sender))
        if sender.fresh and waiting + GROUP <= GROUP * CONNECTIONS:
            steps.append(lambda: self._propose(sender))
        if sender.proposed:
            steps.append(lambda: self._sync(sender))
        bodies = 2 if self.leave_out.startswith("18") else 1
        for connection in range(CONNECTIONS * bodies):
            if connection in sender.on_the_way:
                steps.append(lambda connection=connection: self._go_on(sender, connection))
            elif sender.ready:
                steps.append(lambda connection=connection: self._take(sender, connection))
        if sender.results or sender.folding:
            steps.append(lambda: self._fold(sender))
        return steps

    def _start(self) -> None:
        """A new process recovers what the dead left, and then opens its journal."""
        name = f"s{self.started}"
        self.started += 1
        with self.disk.without("flock") if self.leave_out == "21 the lock" else nullcontext():
            for dead in abandoned(FOLDER):
                self._recover(dead)
        here = present(FOLDER)
        gone = [row for row in self.rows.values() if row.owner is not None and row.owner not in here]
        for row in gone:
            row.state, row.owner = QUEUED if self.leave_out.startswith("22") else IN_DOUBT, None
        if gone:
            self._commit()
        self.senders.append(Sender(name, Journal.open(FOLDER, name)))

    def _recover(self, dead) -> None:
        fates = dead.fates()
        if self.leave_out == "20 the guard of a fold":
            for number, fate in fates.rows.items():
                if fate.what == KNOWN:
                    self._settle(number, fate.result)
        for number, row in self.rows.items():
            if row.owner == dead.sender and row.state == "claimed":
                fate = self._mended(fates.of(number, row.attempt))
                if fate.what == KNOWN:
                    self._settle(number, fate.result)
                else:
                    row.attempt -= fate.what == QUEUED
                    row.state, row.owner = fate.what, None
        self._commit(durable=self.leave_out != "21 the durable commit of a recovery")
        dead.remove(keep=fates.damaged)

    def _mended(self, fate):
        """The fate, without one of the rules of SEND-21."""
        queued = replace(fate, what=QUEUED, result=None)
        if self.leave_out == "21 R is the outcome" and fate.what == KNOWN:
            return queued
        if self.leave_out == "21 D without R is in doubt" and fate.what == IN_DOUBT:
            return queued
        if self.leave_out == "21 no line is queued" and fate.what == QUEUED:
            return replace(fate, what=IN_DOUBT)
        return fate

    def _claim(self, sender: Sender) -> None:
        ready = [number for number, row in self.rows.items() if row.state == QUEUED]
        for number in ready[:CLAIM - len(sender.claimed)]:
            row = self.rows[number]
            row.state, row.owner, row.attempt = "claimed", sender.name, row.attempt + 1
            sender.claimed[number] = row.attempt
            sender.fresh.append(number)
        self._commit(durable=not self.leave_out.startswith("19"))

    def _propose(self, sender: Sender) -> None:
        group, sender.fresh = sender.fresh[:GROUP], sender.fresh[GROUP:]
        if self.leave_out != "15 the P lines":
            sender.journal.propose([(row, sender.claimed[row]) for row in group])
        sender.proposed += group

    def _sync(self, sender: Sender) -> None:
        with self.disk.without("fdatasync") if self.leave_out == "15 the fdatasync of a group" else nullcontext():
            sender.journal.sync()
        sender.ready += sender.proposed
        sender.proposed = []

    def _take(self, sender: Sender, connection: int) -> None:
        row = sender.ready.pop(0)
        if self.chance.random() < 0.05:
            self._end(sender, row, "not_tried")
            return
        late = self.leave_out == "16 the D before the body"
        if not late and self.leave_out != "16 the D line":
            sender.journal.begin(row, sender.claimed[row])
        sender.on_the_way[connection] = row, "begun"

    def _go_on(self, sender: Sender, connection: int) -> None:
        row, how_far = sender.on_the_way[connection]
        if how_far == "begun":
            sender.on_the_way[connection] = row, "handed"
        elif how_far == "handed":
            if self.leave_out == "16 the D before the body":
                sender.journal.begin(row, sender.claimed[row])
            verdict = self.chance.choices(("accepted", "deferred", "in_doubt"), (90, 8, 2))[0]
            self.may_hold += verdict == "in_doubt"
            self.arrived[row] += verdict == "accepted" or (verdict == "in_doubt" and self.chance.random() < 0.5)
            sender.on_the_way[connection] = row, verdict
        else:
            del sender.on_the_way[connection]
            self._end(sender, row, how_far)

    def _end(self, sender: Sender, row: int, verdict: str) -> None:
        result = Result(row, sender.claimed[row], NOW, verdict, 250, None, "message", "taken")
        if not self.leave_out.startswith("17"):
            sender.journal.end(result)
        sender.results.append(result)

    def _fold(self, sender: Sender) -> None:
        """Commit, turn and removal, each a step of its own."""
        if not sender.folding:
            for result in sender.results:
                self._settle(result.delivery_id, result, sender.name)
                del sender.claimed[result.delivery_id]
            sender.results = []
            self._commit(durable=self.leave_out != "20 the durable commit before a removal")
            sender.folding = "turn"
        elif sender.folding == "turn":
            left_out = {"20 the fdatasync before a turn": "fdatasync",
                        "20 the durable entry of a segment": "fsync"}.get(self.leave_out)
            with self.disk.without(left_out) if left_out else nullcontext():
                sender.journal.turn()
            sender.folding = "settle"
        else:
            early = self.leave_out == "20 every row settled before a removal"
            sender.journal.settle(() if early else sender.claimed)
            sender.folding = ""

    def _leave(self, sender: Sender) -> None:
        sender.journal.close()
        self.senders.remove(sender)

    # --- the store --------------------------------------------------------------------------------------------

    def _settle(self, number: int, result: Result, owner: str | None = None) -> None:
        row = self.rows[number]
        guarded = self.leave_out != "20 the guard of a fold"
        if guarded and (row.attempt != result.attempt or row.state != "claimed" or owner not in (None, row.owner)):
            return
        row.attempt -= result.verdict == "not_tried"
        row.state, row.owner = STATES[result.verdict], None

    def _commit(self, *, durable: bool = True) -> None:
        if durable:
            self.safe = self._copy()

    def _copy(self) -> dict[int, Row]:
        return {number: Row(row.state, row.owner, row.attempt) for number, row in self.rows.items()}
