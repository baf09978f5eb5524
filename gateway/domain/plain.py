"""Which rows of a chunk can be read column by column, because nothing about them is special? (ID-P3)

A plain row has an ordinary address, values that need no word to anybody, and shares neither its remote ID nor its
address with another row of the chunk. All others are left to :mod:`gateway.domain.applying`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring

from gateway.domain.addresses import holds_forbidden, is_ordinary
from gateway.domain.fields import JSON, fold
from gateway.domain.recordblock import RecordBlock
from gateway.domain.records import KEEP, MAX_FIELDS_PER_RECORD, MAX_REMOTE_ID, SubscriberRecord
from gateway.domain.values import Catalogue, Field, Values, read_values


@dataclass(slots=True)
class PlainRows:
    """Columns of equal length. ``at``: the rows' positions in the chunk, rising. ``document``: the row's values as
    they are stored (ID-36), ``""`` for none.
    """

    at: Sequence[int] = ()
    remote_ids: Sequence[str | None] = ()
    emails: Sequence[str] = ()
    documents: Sequence[str] = ()

    def without(self, positions: Iterable[int]) -> PlainRows:
        """The rows but those at these positions of the chunk."""
        left_out = set(positions)
        if not left_out:
            return self
        kept = [row for row in zip(self.at, self.remote_ids, self.emails, self.documents, strict=True)
                if row[0] not in left_out]
        return PlainRows(*(list(column) for column in zip(*kept, strict=True))) if kept else PlainRows()


Memo = dict[Field, dict[str, str | None]]
"""Field -> cell -> what is stored of it, ``""`` for no value, None where it takes a closer look."""

MAX_MEMO = 10_000


def read_block(block: RecordBlock, fields: Mapping[str, Field], max_email: int, memo: Memo) -> PlainRows:
    """The rows of a table that can be read as columns. ``fields``: folded name -> field of the brand.

    ``memo`` is kept from block to block: the same days come again and again.
    """
    plan, columns, odd = block.plan, list(zip(*block.rows, strict=True)), set[int]()
    if plan.email is None:
        return PlainRows()
    by_name = {known.name: known for known in fields.values()}
    if any(name not in by_name for _, name in plan.fields):
        return PlainRows()
    for special in (plan.interests, plan.do_not_email):
        if special is not None and any(columns[special]):
            odd.update(at for at, cell in enumerate(columns[special]) if cell)
    emails = _addresses(columns[plan.email], max_email, odd)
    remote_ids: list[str | None] = [None] * len(block)
    if plan.remote_id is not None:
        remote_ids = _remote_ids(columns[plan.remote_id], odd)
    documents = _documents([(by_name[name], columns[at]) for at, name in plan.fields], len(block), odd, memo)
    made = PlainRows(range(len(block)), remote_ids, emails, documents)
    return made.without(odd | _repeated(remote_ids) | _repeated(emails))


def read_records(records: Sequence[SubscriberRecord], fields: Mapping[str, Field], max_email: int,
                 memo: Memo) -> PlainRows:
    """As :func:`read_block`, for records that are made already: those that name the same fields are columns."""
    plain = [at for at, record in enumerate(records) if not _is_special(record)]
    if not plain:
        return PlainRows()
    chosen, odd = [records[at] for at in plain], set[int]()
    emails = _addresses([record.email or "" for record in chosen], max_email, odd)
    remote_ids = _remote_ids([record.remote_id or "" for record in chosen], odd)
    documents, alike = [""] * len(chosen), dict[tuple[str, ...], list[int]]()
    for place, record in enumerate(chosen):
        if record.values:
            alike.setdefault(tuple(record.values), []).append(place)
    for names, places in alike.items():
        known = [fields.get(fold(name)) for name in names]
        if None in known or len(set(known)) < len(known) or len(known) > MAX_FIELDS_PER_RECORD:
            odd.update(places)
            continue
        columns = zip(*(chosen[place].values.values() for place in places), strict=True)
        cells = [[cell or "" for cell in column] if None in column else column for column in columns]
        odd_ones = set[int]()
        for place, text in zip(places, _documents(zip(known, cells, strict=True), len(places), odd_ones, memo),
                               strict=True):
            documents[place] = text
        odd.update(places[at] for at in odd_ones)
    made = PlainRows(range(len(chosen)), remote_ids, emails, documents).without(odd)
    made = made.without(made.at[place] for place in _repeated(made.remote_ids) | _repeated(made.emails))
    made.at = [plain[place] for place in made.at]
    return made


def _is_special(record: SubscriberRecord) -> bool:
    return bool(record.problem is not None or record.warnings or record.add_interests or record.remove_interests
                or record.listed is not None or record.do_not_email or record.whole or record.deleted
                or record.groups)


def _addresses(cells: Sequence[str], max_email: int, odd: set[int]) -> list[str]:
    emails = [cell.strip().lower() for cell in cells]
    odd.update(at for at, email in enumerate(emails) if not is_ordinary(email, max_email))
    return emails


def _is_plain_id(remote_id: str) -> bool:
    return len(remote_id) <= MAX_REMOTE_ID and remote_id.isprintable()


def _remote_ids(cells: Sequence[str], odd: set[int]) -> list[str | None]:
    stripped = [cell.strip() for cell in cells]
    if not "".join(stripped).isprintable() or max(map(len, stripped)) > MAX_REMOTE_ID:
        odd.update(at for at, text in enumerate(stripped) if not _is_plain_id(text))
    return [text or None for text in stripped]


def _values(known: Field, cells: Sequence[str], odd: set[int], memo: Memo) -> Sequence[str]:
    """The cells in the form that is stored, ``""`` for no value; those that need more thought are odd."""
    if known.kind in ("text", "html"):
        if not "".join(cells).isprintable() or max(map(len, cells)) > known.max_length:
            odd.update(at for at, cell in enumerate(cells) if len(cell) > known.max_length
                       or not cell.isprintable() and (holds_forbidden(cell) or "\r" in cell))
        return cells
    read = {} if known.kind == JSON else memo.setdefault(known, {})  # no two of its long texts are alike
    if len(read) > MAX_MEMO:
        read.clear()
    catalogue = Catalogue({}, spelled={known.name: known})
    for cell in set(cells) - read.keys():  # days and yes or no: few different ones
        values = read_values({known.name: cell}, catalogue, KEEP)
        read[cell] = (values.given.get(known.name) or "") if isinstance(values, Values) else None
    made = [read[cell] for cell in cells]
    if None in made:
        odd.update(at for at, text in enumerate(made) if text is None)
    return [text or "" for text in made]


def _repeated(values: Sequence[str | None]) -> set[int]:
    """Where values stand that come more than once."""
    given = [value for value in values if value is not None]
    if len(set(given)) == len(given):
        return set()
    counts = Counter(given)
    return {at for at, value in enumerate(values) if value is not None and counts[value] > 1}


def _documents(given: Iterable[tuple[Field, Sequence[str]]], count: int, odd: set[int], memo: Memo) -> list[str]:
    """The JSON texts of ``count`` rows of which these are the values, as ``as_text`` writes them; ``""`` for none."""
    columns = [(encode_basestring(known.name), _values(known, cells, odd, memo))
               for known, cells in sorted(given, key=lambda column: column[0].name)]
    if not columns:
        return [""] * count
    if any("" in column for _, column in columns):
        gaps = [[f"{name}:{encode_basestring(text)}" if text else "" for text in column] for name, column in columns]
        joined = [",".join(filter(None, row)) for row in zip(*gaps, strict=True)]
        return ["{" + text + "}" if text else "" for text in joined]
    members, quoted = [], []
    for name, column in columns:
        joined = "".join(column)
        bare = joined.isprintable() and '"' not in joined and "\\" not in joined
        members.append(f'{name.replace("%", "%%")}:' + ('"%s"' if bare else "%s"))
        quoted.append(column if bare else [encode_basestring(text) for text in column])
    template = "{" + ",".join(members) + "}"
    return [template % row for row in zip(*quoted, strict=True)]
