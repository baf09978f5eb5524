"""Which of a million ids were met? A set of numbers in one bit each, so that a long upload stays flat."""

from __future__ import annotations

from collections.abc import Iterable

_BITS = 1 << 16


class IdSet:
    """A set of ids from 0 on; neighbours share a block of 8 KiB, and only blocks that hold one are kept."""

    __slots__ = ("_blocks",)

    def __init__(self, ids: Iterable[int] = ()) -> None:
        self._blocks: dict[int, bytearray] = {}
        self.update(ids)

    def update(self, ids: Iterable[int]) -> None:
        """Adds the ids."""
        for number in ids:
            place, bit = divmod(number, _BITS)
            block = self._blocks.get(place)
            if block is None:
                block = self._blocks[place] = bytearray(_BITS // 8)
            block[bit >> 3] |= 1 << (bit & 7)

    def __contains__(self, number: int) -> bool:
        place, bit = divmod(number, _BITS)
        block = self._blocks.get(place)
        return block is not None and bool(block[bit >> 3] & (1 << (bit & 7)))

    def size_bytes(self) -> int:
        """The memory of its blocks."""
        return len(self._blocks) * (_BITS // 8)
