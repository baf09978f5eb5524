"""How does a reader hand over many rows of a table at once, without an object for each of them? (PUSH-63)"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

from gateway.domain.mapping import ColumnPlan
from gateway.domain.records import SubscriberRecord


@dataclass(frozen=True, slots=True)
class RecordBlock:
    """Rows that follow each other, one a line, all as wide as the plan; a sequence of the records they mean.

    ``first_line``: of the file, 1-based, where the first row stands. A record is made when it is asked for.
    """

    plan: ColumnPlan
    rows: Sequence[Sequence[str]]
    first_line: int

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, at: int) -> SubscriberRecord: ...

    @overload
    def __getitem__(self, at: slice) -> RecordBlock: ...

    def __getitem__(self, at: int | slice) -> SubscriberRecord | RecordBlock:
        if isinstance(at, slice):  # of rows that follow each other
            return RecordBlock(self.plan, self.rows[at], self.first_line + (at.start or 0))
        return self.plan.record(self.rows[at], self.first_line + at)

    def __iter__(self) -> Iterator[SubscriberRecord]:
        return (self[at] for at in range(len(self.rows)))


Records = Sequence[SubscriberRecord] | RecordBlock
"""The records of a chunk: made already, or rows of a table."""
