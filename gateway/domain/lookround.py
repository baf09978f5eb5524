"""What does a look at a foreign system show, before anything of it is applied?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

MAX_SAMPLES, MAX_NAMES, MAX_FINDINGS = 3, 20, 20


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that was found. ``key``: the key of the bridge's configuration that it is about; ``is_problem``: it
    must be mended, else it is only worth knowing. ``text`` names no secret; it says the remedy."""

    key: str
    text: str
    is_problem: bool = True


@dataclass(frozen=True, slots=True)
class SeenRow:
    """One row of the members as a sync understands it. ``problem``: why it would be rejected."""

    remote_id: str | None
    email: str | None
    flag: bool | None
    interests: Sequence[str] | None
    deleted: bool
    problem: str | None


@dataclass(slots=True)
class MembersSeen:
    """The first rows of the members, counted. ``whole``: those were all. ``changes``: whether the system can be asked
    for what changed; None where that shows only with the first sync."""

    rows: int = 0
    whole: bool = False
    changes: bool | None = None
    repeated: int = 0
    no_address: int = 0
    ended: int = 0
    flags: Counter[str] = field(default_factory=Counter)
    interests: Counter[str] = field(default_factory=Counter)
    tells_interests: bool = False
    problems: Counter[str] = field(default_factory=Counter)
    samples: list[tuple[str, str]] = field(default_factory=list)
    known: dict[str, SeenRow] = field(default_factory=dict)

    @property
    def rejected(self) -> int:
        """How many rows a sync would reject."""
        return sum(self.problems.values())

    def add(self, row: SeenRow) -> None:
        """Counts a row."""
        self.rows += 1
        if row.problem is not None:
            self.problems[row.problem] += 1
            return
        self.ended += row.deleted
        self.no_address += row.email is None and not row.deleted
        self.flags["unsaid" if row.flag is None else "yes" if row.flag else "no"] += 1
        if row.interests is not None:
            self.tells_interests = True
            self.interests.update(row.interests)
        if row.remote_id is None:
            return
        before = self.known.setdefault(row.remote_id, row)
        self.repeated += before is not row and before != row
        if row.email is not None and len(self.samples) < MAX_SAMPLES and before is row:
            self.samples.append((row.remote_id, row.email))

    def findings(self) -> list[Finding]:
        """What is wrong with them, or odd."""
        if not self.rows:
            return [Finding("members", "The system lists nobody. If there should be somebody, look at what members "
                            "asks for and at the rights of its user.", is_problem=False)] if self.whole else []
        found = [Finding("members", f"{count} of {self.rows} rows would be rejected: {reason}", count == self.rows)
                 for reason, count in self.problems.most_common(MAX_FINDINGS)]
        if self.repeated:
            found.append(Finding("members", f"{self.repeated} remote IDs come again with different data, and would not "
                                 "be applied. Make members give one row per person."))
        if self.no_address and self.no_address + self.rejected == self.rows:
            found.append(Finding("members", "No row has an address: the link of everybody would end. Check where email "
                                 "stands."))
        elif self.no_address:
            found.append(Finding("members", f"{self.no_address} rows have no address: the links of these people end.",
                                 is_problem=False))
        if self.flags["yes"] == self.rows - self.rejected > MAX_SAMPLES:
            found.append(Finding("members", "Every row says do_not_email: nobody could be mailed. Check whether it "
                                 "means the opposite."))
        if self.ended == self.rows - self.rejected > MAX_SAMPLES:
            found.append(Finding("members", "Every row says deleted: everybody's link would end. Check whether it "
                                 "means the opposite."))
        return found


@dataclass(frozen=True, slots=True)
class GroupSeen:
    """One group that the system offers; ``size``: if it says that."""

    group_id: str
    name: str
    size: int | None


@dataclass(frozen=True, slots=True)
class Look:
    """What a system answers now. ``fields``: our fields that it can tell; ``told``: of how many of the people asked for
    it told each; ``kinds``: writebacks that go there, ``way``: by its bridge, by its webhook, or fetched by it;
    ``written_fields``: whose changes it takes, None: any."""

    name: str
    kind: str
    reachable: bool
    members: MembersSeen
    fields: tuple[str, ...] = ()
    told: tuple[tuple[str, int], ...] = ()
    asked: int = 0
    groups: tuple[GroupSeen, ...] = ()
    kinds: tuple[str, ...] = ()
    way: str = "bridge"
    written_fields: tuple[str, ...] | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def is_well(self) -> bool:
        """Whether nothing must be mended."""
        return not any(finding.is_problem for finding in self.findings)
