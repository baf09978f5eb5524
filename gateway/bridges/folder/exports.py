"""Which members do the waiting exports list, and is every one of them a file that we can read?"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from typing import TextIO

from gateway.bridges import rows
from gateway.bridges.folder.config import FolderConfig
from gateway.bridges.folder.drop import Drop, Export, shown
from gateway.bridges.port import RemoteMember
from gateway.domain.addresses import normalise_remote_id
from gateway.domain.records import Problem

MAX_LINE = 1 << 20


class Broken(Exception):
    """The export cannot be read; the text says where and why, and what to do."""


def keys(drop: Drop, config: FolderConfig, export: Export, *, wanted: bool) -> tuple[int, set[str]]:
    """How many rows the export has, and their remote IDs if they are ``wanted``: reads it once to its end.

    Raises :class:`Broken` and :class:`~gateway.bridges.port.Outage`.
    """
    count, found = 0, set()
    for member in read(drop, config, export):
        count += 1
        key = normalise_remote_id(member.remote_id) if wanted else None
        if isinstance(key, str):
            found.add(key)
    return count, found


def overlaid(drop: Drop, config: FolderConfig, exports: Sequence[Export],
             last: Mapping[str, int]) -> Iterator[RemoteMember]:
    """The members of all exports, oldest first, each as the newest export that has them says.

    ``last``: remote ID -> place of the newest export that has it, for all but the first export's own.
    """
    for place, export in enumerate(exports):
        for member in read(drop, config, export):
            key = normalise_remote_id(member.remote_id)
            if not isinstance(key, str) or last.get(key, place) == place:
                yield member


def read(drop: Drop, config: FolderConfig, export: Export) -> Iterator[RemoteMember]:
    """The rows of one export, in flat memory. Raises :class:`Broken` and :class:`~gateway.bridges.port.Outage`."""
    with open(drop.open(export), encoding=config.encoding, newline="") as file:
        lines = csv.reader(_lines(file), delimiter=config.delimiter, strict=True)
        try:
            titles = [title.strip() for title in next(lines, [])]
            places = _places(titles, config)
            for cells in _whole(lines, len(titles)):
                yield _member(cells, titles, places)
        except (csv.Error, UnicodeError, Broken) as error:
            why = f"It is not {config.encoding}" if isinstance(error, UnicodeError) else str(error)
            raise Broken(f"The export {shown(export.name)} cannot be read, near line {max(lines.line_num, 1)}: {why}. "
                         "Nothing of it was applied. Mend it, or the bridge's configuration, and put it into the "
                         "folder again.") from None
        drop.check(export, file.fileno())


def _whole(lines: Iterator[list[str]], width: int) -> Iterator[list[str]]:
    """The rows that are not empty. Raises :class:`Broken` where the last one is too short: it was cut off there."""
    cells: list[str] = []
    for following in filter(None, lines):
        if cells:
            yield cells
        cells = following
    if cells and len(cells) < width:
        raise Broken("it ends in the middle of a row, so it was cut off")
    if cells:
        yield cells


def _lines(file: TextIO) -> Iterator[str]:
    """The lines, none of which fills the memory."""
    while line := file.readline(MAX_LINE):
        if len(line) == MAX_LINE:
            raise Broken(f"a line has more than {MAX_LINE} characters")
        yield line


def _places(titles: list[str], config: FolderConfig) -> dict[str, int]:
    for column in config.columns.values():
        if titles.count(column) != 1:
            wanted = "is missing" if column not in titles else "comes twice"
            raise Broken(f"the column '{column}' {wanted} in the first line")
    return {name: titles.index(column) for name, column in config.columns.items()}


def _member(cells: list[str], titles: list[str], places: Mapping[str, int]) -> RemoteMember:
    if len(cells) != len(titles):
        cell = {name: cells[place] if place < len(cells) else None for name, place in places.items()}
        return RemoteMember(cell["remote_id"], cell["email"], problem=Problem(
            "INVALID_VALUE", f"The row has {len(cells)} cells, the first line has {len(titles)}.", "remoteId"))
    return rows.member({name: cells[place] or None for name, place in places.items()})
