"""Which rows of a chunk can be read column by column, because nothing about them is special? (ID-P3)

A plain row has an ordinary address, values that need no word to anybody, and shares neither its remote ID nor its
address with another row of the chunk. All others are left to :mod:`gateway.domain.applying`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from json.encoder import encode_basestring

from gateway.domain.addresses import holds_forbidden, is_ordinary
from gateway.domain.documents import as_text
from gateway.domain.recordblock import RecordBlock
from gateway.domain.records import KEEP, MAX_REMOTE_ID, SubscriberRecord
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
    emails = [cell.strip().lower() for cell in columns[plan.email]]
    odd.update(at for at, email in enumerate(emails) if not is_ordinary(email, max_email))
    remote_ids: list[str | None] = [None] * len(block)
    if plan.remote_id is not None:
        remote_ids = _remote_ids(columns[plan.remote_id], odd)
    documents = _Documents()
    for at, name in sorted(plan.fields, key=lambda place: place[1]):
        documents.add(name, _values(by_name[name], columns[at], odd, memo))
    made = PlainRows(range(len(block)), remote_ids, emails, documents.texts(len(block)))
    return made.without(odd | _repeated(remote_ids) | _repeated(emails))


def read_records(records: Sequence[SubscriberRecord], fields: Mapping[str, Field], max_email: int) -> PlainRows:
    """As :func:`read_block`, for records that are made already."""
    rows: list[tuple[int, str | None, str, str]] = []
    catalogue, odd = Catalogue(dict(fields)), set[int]()
    for at, record in enumerate(records):
        email, remote_id = (record.email or "").strip().lower(), (record.remote_id or "").strip()
        values = (None if _is_special(record) else
                  read_values(record.values, catalogue, KEEP) if record.values else Values({}))
        if (not isinstance(values, Values) or values.unknown or values.doubled or not is_ordinary(email, max_email)
                or not _is_plain_id(remote_id)):
            odd.add(at)
            continue
        given = {name: text for name, text in values.given.items() if text is not None}
        rows.append((at, remote_id or None, email, as_text(given) if given else ""))
    if not rows:
        return PlainRows()
    made = PlainRows(*(list(column) for column in zip(*rows, strict=True)))
    shared = _repeated(made.remote_ids) | _repeated(made.emails)
    return made.without(made.at[place] for place in shared)


def _is_special(record: SubscriberRecord) -> bool:
    return bool(record.problem is not None or record.warnings or record.add_interests or record.remove_interests
                or record.listed is not None or record.do_not_email or record.whole or record.deleted
                or record.groups)


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
    read = memo.setdefault(known, {})
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


@dataclass(slots=True)
class _Documents:
    """Puts JSON texts together from columns, in the order of their names, as ``merge`` writes them."""

    names: list[str] = field(default_factory=list)
    columns: list[Sequence[str]] = field(default_factory=list)

    def add(self, name: str, values: Sequence[str]) -> None:
        self.names.append(encode_basestring(name))
        self.columns.append(values)

    def texts(self, count: int) -> list[str]:
        if not self.columns:
            return [""] * count
        if any("" in column for column in self.columns):
            return self._with_gaps()
        members, columns = [], []
        for name, column in zip(self.names, self.columns, strict=True):
            joined = "".join(column)
            bare = joined.isprintable() and '"' not in joined and "\\" not in joined
            members.append(f'{name.replace("%", "%%")}:' + ('"%s"' if bare else "%s"))
            columns.append(column if bare else [encode_basestring(text) for text in column])
        template = "{" + ",".join(members) + "}"
        return [template % row for row in zip(*columns, strict=True)]

    def _with_gaps(self) -> list[str]:
        columns = [[f"{name}:{encode_basestring(text)}" if text else "" for text in column]
                   for name, column in zip(self.names, self.columns, strict=True)]
        joined = [",".join(filter(None, row)) for row in zip(*columns, strict=True)]
        return ["{" + text + "}" if text else "" for text in joined]
