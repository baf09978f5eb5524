"""What do the members of an element say that a careless program wrote? (PUSH-9, PUSH-10, PUSH-96, PUSH-97)"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.domain.addresses import printable
from gateway.domain.fields import fold
from gateway.domain.mapping import ValueProblem, boolean_of, identifier_of, text_of
from gateway.domain.records import MAX_NAME, Problem

MAX_WARNINGS = 20
"""Of one element: who sends a hundred unknown members need not be told of each."""


@dataclass(slots=True)
class Findings:
    """What is wrong with one element, and what its sender is warned of; the first problem is the one that counts."""

    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    @property
    def problem(self) -> Problem | None:
        """Why the element fails, or None."""
        return self.problems[0] if self.problems else None

    def fail(self, code: str, message: str, path: str) -> None:
        """The element fails."""
        self.problems.append(Problem(code, message, printable(path, MAX_NAME)))

    def warn(self, code: str, message: str, path: str) -> None:
        """The element is taken, but its sender should know."""
        if len(self.warnings) < MAX_WARNINGS:
            self.warnings.append(Problem(code, message, printable(path, MAX_NAME)))


@dataclass(frozen=True, slots=True)
class Members:
    """The members of one object of an element; ``path`` is where it stands, such as ``Groups[0]``."""

    findings: Findings
    path: str
    given: Mapping[str, Any]

    def at(self, name: str) -> str:
        """Where the member stands."""
        return f"{self.path}.{name}" if self.path else name

    def text(self, name: str) -> str:
        """A text, also written as an integer or a boolean; ``""`` when there is none (PUSH-9, PUSH-96)."""
        return self._read(name, text_of)

    def key(self, name: str) -> str:
        """A text that says who or which is meant, without outer blanks: no boolean; ``""`` when there is none."""
        return self._read(name, identifier_of).strip()

    def _read(self, name: str, convert: Callable[[Any], str | None]) -> str:
        try:
            return convert(self.given.get(name)) or ""
        except ValueProblem as problem:
            self.findings.fail("INVALID_VALUE", str(problem), self.at(name))
            return ""

    def flag(self, name: str) -> bool | None:
        """A boolean in any of the words of PUSH-9; None says nothing."""
        value = self.given.get(name)
        try:
            return boolean_of(value.strip() if isinstance(value, str) else value)
        except ValueProblem as problem:
            self.findings.fail("INVALID_VALUE", str(problem), self.at(name))
            return None

    def array(self, name: str) -> list[Any]:
        """An array; none is an empty one."""
        value = self.given.get(name)
        if value is None or value == "":
            return []
        if not isinstance(value, list):
            self.findings.fail("INVALID_VALUE", "Expected an array.", self.at(name))
            return []
        return value

    def child(self, name: str, known: Collection[str], weighty: Collection[str] = ()) -> Members:
        """An object; none is an empty one."""
        return members_of(self.findings, self.at(name), self.given.get(name), known, weighty)

    def children(self, name: str, known: Collection[str], weighty: Collection[str] = ()) -> Iterator[Members]:
        """The objects of an array, in order."""
        for at, value in enumerate(self.array(name)):
            path = f"{self.at(name)}[{at}]"
            if value is None:
                self.findings.fail("INVALID_VALUE", "Expected an object.", path)
            yield members_of(self.findings, path, value, known, weighty)


def members_of(findings: Findings, path: str, value: Any, known: Collection[str],
               weighty: Collection[str] = ()) -> Members:
    """The members of ``value``; none of it is an object without members.

    A member that is not ``known`` is a warning; but the near miss of a ``weighty`` one fails the element, for
    ignoring it would change who is meant, whether they are mailed or where they belong (PUSH-10).
    """
    if value is None or value == "":
        return Members(findings, path, {})
    if not isinstance(value, dict):
        findings.fail("INVALID_VALUE", "Expected an object.", path)
        return Members(findings, path, {})
    made = Members(findings, path, value)
    meant = {fold(name): name for name in weighty}
    for name in value:
        if name in known:
            continue
        near = meant.get(fold(name))
        if near is None:
            findings.warn("FIELD_UNKNOWN", "No such member; it was ignored.", made.at(name))
        else:
            findings.fail("FIELD_UNKNOWN", f"The member is written {near}, in exactly this case.", made.at(name))
    return made
