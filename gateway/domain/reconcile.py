"""Do an AMS and we say the same of everybody, and where not, why? (ID-32, ID-39, ID-64, ID-65, ID-69, ID-70)

Pure. Sets of people are compared by count and by sums of hashes, in buckets, so that equal ones are proven equal in
flat memory; what differs is then looked at person by person and gets its reason here.
"""

from __future__ import annotations

import datetime as dt
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

from gateway.domain import sync
from gateway.domain.explaining import day
from gateway.domain.writeback import (
    CORRECTED_ADDRESS,
    FAILED,
    INTEREST_JOINED,
    INTEREST_LEFT,
    OPEN,
    RESUBSCRIBE,
    SENT,
    UNSUBSCRIBE,
)

ONLY_THERE, ONLY_HERE, ADDRESS, FLAG = "only_there", "only_here", "address", "flag"
JOINED_THERE, JOINED_HERE = "member_there", "member_here"
KINDS = (ONLY_THERE, ONLY_HERE, ADDRESS, FLAG, JOINED_THERE, JOINED_HERE)
"""What may differ: who is there, the address, the do-not-email flag, and who is in a list."""

SYNC, WRITEBACK, PERSON, MEANT = "sync", "writeback", "person", "meant"
"""By what a difference goes: the next sync, a writeback, somebody's decision; or by nothing, for it is meant."""

_CONFLICT = ("The system lists the remote ID several times with different data, so nothing of it is taken. Mend its "
             "query.")

EVERYBODY, LISTED, GROUP = "everybody", "list", "group"
BUCKETS = 256
_BITS = (1 << 128) - 1


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that the two sides do not say alike. ``there`` and ``here``: what each says, where that is a value."""

    kind: str
    reason: str
    mended_by: str
    sentence: str
    remote_id: str | None
    subscriber_id: int | None = None
    there: str | None = None
    here: str | None = None


@dataclass(frozen=True, slots=True)
class ListReport:
    """How one list compares. ``subject``: everybody, list (of interests that the system names) or group.

    ``others``: people who are in it here through another source or channel, which a system cannot know. ``counts``:
    (kind, reason) -> how many differ so.
    """

    name: str
    subject: str
    there: int
    here: int
    others: int
    counts: Mapping[tuple[str, str], int]
    note: str = ""

    @property
    def agrees(self) -> bool:
        """Whether nothing differs."""
        return not self.counts


@dataclass(frozen=True, slots=True)
class ReconcileReport:
    """How an integration compares."""

    integration: str
    lists: tuple[ListReport, ...]
    started_at: dt.datetime
    finished_at: dt.datetime

    @property
    def agrees(self) -> bool:
        """Whether nothing differs in any list."""
        return all(each.agrees for each in self.lists)

    @property
    def state(self) -> str:
        """``agrees`` or ``differs``."""
        return "agrees" if self.agrees else "differs"


@dataclass(slots=True)
class Sums:
    """A set of people as one count and one sum a bucket: equal for equal sets, in whatever order they come."""

    counts: list[int] = field(default_factory=lambda: [0] * BUCKETS)
    sums: list[int] = field(default_factory=lambda: [0] * BUCKETS)

    def add(self, bucket: int, mark: int) -> None:
        """Adds one person."""
        self.counts[bucket] += 1
        self.sums[bucket] = (self.sums[bucket] + mark) & _BITS

    def spoil(self, bucket: int) -> None:
        """Says that there is somebody in the bucket whom one has to look at."""
        self.counts[bucket] -= 1 << 40

    def differing(self, other: Sums) -> frozenset[int]:
        """The buckets that are not the same."""
        return frozenset(at for at in range(BUCKETS)
                         if self.counts[at] != other.counts[at] or self.sums[at] != other.sums[at])


@dataclass(slots=True)
class ListSum:
    """The people of one list, as a count and a sum."""

    count: int = 0
    total: int = 0

    def add(self, mark: int) -> None:
        """Adds one person."""
        self.count += 1
        self.total = (self.total + mark) & _BITS


def bucket_of(key: str) -> int:
    """Where a remote ID belongs."""
    return zlib.crc32(key.encode("utf-8", "surrogatepass")) % BUCKETS


def mark(*parts: str | bool | None) -> int:
    """A number that stands for these values: others give another one, as surely as 128 bits can say."""
    text = "\0".join("" if part is None else str(part) for part in parts)
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest())


@dataclass(frozen=True, slots=True)
class There:
    """A person as the system lists them, read as an import reads them. ``problem``: why it would not take the row."""

    remote_id: str | None
    email: str | None
    flag: bool | None
    deleted: bool = False
    conflicting: bool = False
    erased: bool = False
    corrected_from: str | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Here:
    """A remote key as it is stored."""

    subscriber_id: int
    email: str | None
    flag: bool
    ended_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A writeback of a remote ID, of the newest of each kind."""

    writeback_id: int
    kind: str
    state: str
    interest: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether its value beats what a sync brings (ID-64)."""
        return self.state in OPEN


@dataclass(frozen=True, slots=True)
class LastRuns:
    """The newest run that ended (state, when it began, why), and when the newest complete one of everybody began."""

    state: str | None = None
    at: dt.datetime | None = None
    message: str = ""
    full_at: dt.datetime | None = None

    def pending(self) -> str:
        """Why something that is there is not here yet, and what mends it."""
        if self.state is None or self.at is None:
            return "No sync has run yet; the first one mends it."
        if self.state == sync.SUCCESS:
            return f"New there since the last sync, at {day(self.at)}; the next sync mends it."
        if self.state == sync.HELD:
            return f"The last sync, at {day(self.at)}, was held by the brake; when it is released, it mends this."
        return f"The last sync, at {day(self.at)}, ended as {self.state}; the next one that succeeds mends it."

    def gone(self) -> str:
        """Why the link of somebody who is not listed any more has not ended."""
        if self.state in (sync.PARTIAL, sync.HELD, sync.SKIPPED, sync.FAILED) and self.at is not None:
            return (f"Not listed there any more. The last sync, at {day(self.at)}, ended as {self.state} and ends "
                    "no link for that; the next complete full sync does.")
        return "Not listed there any more; the next complete full sync ends the link."


def compare(there: There, here: Here | None, waiting: Mapping[str, Waiting], runs: LastRuns) -> list[Difference]:
    """What differs about one person whom the system lists. ``waiting``: the newest writeback of each kind."""
    if here is None or here.ended_at is not None:
        found = _only_there(there, here, runs)
        return [] if found is None else [found]
    if there.conflicting:
        return [Difference(ADDRESS, "conflicting", PERSON, _CONFLICT, there.remote_id, here.subscriber_id)]
    if there.deleted:
        return [Difference(ONLY_HERE, "deleted_there", SYNC, "The system says that the person was deleted; the next "
                           "sync ends the link.", there.remote_id, here.subscriber_id, here=here.email)]
    if there.problem is not None:
        return [Difference(ADDRESS, "rejected", PERSON, f"What the system says is not taken: {there.problem}",
                           there.remote_id, here.subscriber_id, here=here.email)]
    if there.email is None:
        return [Difference(ONLY_HERE, "address_empty_there", SYNC, "The system lists the person without an address; "
                           "the next sync ends the link.", there.remote_id, here.subscriber_id, here=here.email)]
    return [each for each in (_address(there, here, waiting, runs), _flag(there, here, waiting, runs))
            if each is not None]


def not_listed(remote_id: str, here: Here, runs: LastRuns) -> Difference:
    """A live link of which the system does not speak any more."""
    return Difference(ONLY_HERE, "gone_there", SYNC, runs.gone(), remote_id, here.subscriber_id, here=here.email)


def without_remote_id(there: There) -> Difference:
    """A person whom the system lists without anything to know them by."""
    return Difference(ONLY_THERE, "no_remote_id", PERSON, f"Not taken: {there.problem}", there.remote_id,
                      there=there.email)


def member_there(remote_id: str, subscriber_id: int | None, name: str, *, left: bool, is_interest: bool,
                 waiting: Mapping[str, Waiting], pending: str) -> Difference:
    """Somebody is in a list there and not here. ``subscriber_id`` is None for who is not here at all."""
    def made(reason: str, mended_by: str, sentence: str) -> Difference:
        return Difference(JOINED_THERE, reason, mended_by, sentence, remote_id, subscriber_id)

    if subscriber_id is None:
        return made("person_not_here", SYNC, "The person is not here; see everybody for the reason.")
    if left:
        told = waiting.get(INTEREST_LEFT)
        if told is not None and told.interest == name and told.is_open:
            return made("left_here", WRITEBACK, "The person left it here; no sync adds them again. Writeback "
                                                f"{told.writeback_id} tells the system ({told.state}).")
        return made("left_here", MEANT, "The person left it here; no sync adds them again. Take them out there.")
    if not is_interest:
        return made("no_interest", PERSON, "There is no interest of this name here. The next sync makes it, if the "
                                           "brand lets data make interests and has room for another.")
    return made("not_synced", SYNC, pending)


def member_here(remote_id: str, subscriber_id: int, *, is_listed: bool, pending: str,
                waiting: Mapping[str, Waiting], name: str) -> Difference:
    """Somebody is in a list here, through this system, and not there."""
    def made(reason: str, mended_by: str, sentence: str) -> Difference:
        return Difference(JOINED_HERE, reason, mended_by, sentence, remote_id, subscriber_id)

    if not is_listed:
        return made("person_gone_there", SYNC, "The system does not list the person any more; see everybody.")
    told = waiting.get(INTEREST_JOINED)
    if told is not None and told.interest == name and told.is_open:
        return made("joined_here", WRITEBACK, f"The person joined it here; writeback {told.writeback_id} tells the "
                                              f"system ({told.state}).")
    return made("not_synced", SYNC, pending)


def not_told(group_id: str, why: str) -> Difference:
    """The system does not say who is in a group any more: it was deleted, or may not be read."""
    return Difference(ONLY_HERE, "group_not_told", PERSON,
                      f"The system does not say who is in the group {group_id}: {why} The interest keeps its people, "
                      "and mailings to it are paused. Bring the group back there, or mail to another list.", None)


def count(differences: Counter[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """The counts in the order of :data:`KINDS`, then by reason."""
    return dict(sorted(differences.items(), key=lambda item: (KINDS.index(item[0][0]), item[0][1])))


def _only_there(there: There, here: Here | None, runs: LastRuns) -> Difference | None:
    def made(reason: str, mended_by: str, sentence: str) -> Difference:
        return Difference(ONLY_THERE, reason, mended_by, sentence, there.remote_id,
                          None if here is None else here.subscriber_id, there=there.email)

    if there.deleted:
        return None
    if there.conflicting:
        return made("conflicting", PERSON, _CONFLICT)
    if there.problem is not None:
        return made("rejected", PERSON, f"Not taken: {there.problem}")
    if there.erased:
        return made("erased", MEANT, "The person asked to be erased and is not stored again. Erase them there.")
    if there.email is None:
        if here is not None:
            return None  # ended here for that very reason, or another: both sides have nobody to mail
        return made("rejected", PERSON, "Not taken: a new person needs an e-mail address.")
    if here is not None and here.ended_at is not None:
        return made("ended_here", SYNC, f"The link ended here at {day(here.ended_at)}; the next sync revives it.")
    return made("not_synced", SYNC, runs.pending())


def _address(there: There, here: Here, waiting: Mapping[str, Waiting], runs: LastRuns) -> Difference | None:
    def made(reason: str, mended_by: str, sentence: str) -> Difference:
        return Difference(ADDRESS, reason, mended_by, sentence, there.remote_id, here.subscriber_id,
                          there.corrected_from or there.email, here.email)

    told = waiting.get(CORRECTED_ADDRESS)
    if there.corrected_from is not None and there.email == here.email:
        if told is not None and told.is_open:
            return made("correction_waits", WRITEBACK, f"A slip was corrected here; writeback {told.writeback_id} "
                                                       f"tells the system ({told.state}).")
        return made("corrected_here", PERSON, "A slip was corrected here. Correct it in the system.")
    if there.email == here.email:
        return None
    if there.erased:
        return made("erased", MEANT, "The person of the address there asked to be erased; it is not stored again.")
    return made("not_synced", SYNC, runs.pending().replace("New there", "Changed there"))


def _flag(there: There, here: Here, waiting: Mapping[str, Waiting], runs: LastRuns) -> Difference | None:
    if there.flag is None or there.flag == here.flag:
        return None

    def made(reason: str, mended_by: str, sentence: str) -> Difference:
        return Difference(FLAG, reason, mended_by, sentence, there.remote_id, here.subscriber_id,
                          str(there.flag).lower(), str(here.flag).lower())

    against = waiting.get(RESUBSCRIBE if there.flag else UNSUBSCRIBE)
    newest = max((waiting[kind] for kind in (UNSUBSCRIBE, RESUBSCRIBE) if kind in waiting),
                 key=lambda each: each.writeback_id, default=None)
    if against is not None and against is newest and against.is_open:
        more = "a person decides about it" if against.state == FAILED else "no sync brings the old value back"
        return made(f"{against.kind}_waits", PERSON if against.state == FAILED else WRITEBACK,
                    f"Writeback {against.writeback_id} ({against.kind}) is to change it there and is {against.state}: "
                    f"{more}.")
    if newest is not None and newest is not against and newest.state == SENT:
        return made("written_by_us", SYNC, f"Writeback {newest.writeback_id} ({newest.kind}) changed it there; the "
                                           "next sync brings it here.")
    return made("not_synced", SYNC, runs.pending().replace("New there", "Changed there"))
