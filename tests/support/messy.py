"""What does a real export look like? Rows with the mess that all doors can carry, and how each door writes them."""

from __future__ import annotations

import base64
import csv
import io
import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape, quoteattr

FIELDS = ("FirstName", "LastName", "City", "Birthday", "IsMember")
COLUMNS = ("remoteId", "email", *FIELDS, "doNotEmail")


@dataclass(frozen=True, slots=True)
class Row:
    """One row of an export; an empty text is an empty cell."""

    remote_id: str
    email: str
    values: dict[str, str] = field(default_factory=dict)
    do_not_email: str = ""

    @property
    def cells(self) -> list[str]:
        """The row in the order of ``COLUMNS``."""
        return [self.remote_id, self.email, *(self.values[name] for name in FIELDS), self.do_not_email]


def rows(count: int, seed: int, *, always_keyed: bool) -> list[Row]:
    """``count`` rows, the same for the same seed. ``always_keyed``: each has a remote ID and an address of some kind,
    which a door of whole records needs to say the same as the others."""
    chance = random.Random(seed)
    people = [(f"K-{number}", f"{chance.choice(_NAMES)}.{number}@{chance.choice(_DOMAINS)}")
              for number in range(count * 2 // 3)]
    return [_row(chance, people, always_keyed) for _ in range(count)]


_NAMES = ("ann", "bo", "o'hara", "jürgen".encode("ascii", "ignore").decode(), "x+news", "d_e-f")
_DOMAINS = ("example.org", "Example.NET", "bücher.example", "mail.example.com")
_BAD = ("ann@", "@example.org", "no address", "a@@example.org", "two@example.org,three@example.org", "x@localhost")
_TEXTS = ("", "Ann", "ANN", "Zoë", "O'Hara", 'the "boss"', "semi;colon, comma", "two\nlines", "tab\there", " padded ",
          "<b>&amp;</b>", "名前", "🎈", "=1+1", "NULL", "0", "x" * 4000, "x" * 4001)
_DAYS = ("", "1980-02-03", "1980-02-30", "2027-06-30T00:00:00.000Z", "0001-01-01", "03/02/1980", "2024-02-29")
_BOOLEANS = ("", "true", "False", "1", "0", "yes", "TRUE")
_FLAGS = ("", "", "", "", "", "", "true", "false", "False")


def _row(chance: random.Random, people: Sequence[tuple[str, str]], always_keyed: bool) -> Row:
    remote_id, email = chance.choice(people)
    luck = chance.random()
    if luck < 0.06:
        email = chance.choice(people)[1]  # the address of another one
    elif luck < 0.09:
        email = chance.choice(_BAD)
    if chance.random() < 0.15:
        email = chance.choice((email.upper(), f" {email} ", f"\u200b{email}", f"{email}\u00a0"))
    if not always_keyed:
        luck = chance.random()
        if luck < 0.3:
            remote_id = ""
        elif luck < 0.34:
            email = ""
        elif luck < 0.35:
            remote_id = email = ""
    elif chance.random() < 0.02:
        remote_id = "K" * 256
    if remote_id and chance.random() < 0.05:
        remote_id = chance.choice((f" {remote_id} ", remote_id.lower()))
    values = {"FirstName": chance.choice(_TEXTS), "LastName": chance.choice(_TEXTS[:14]),
              "City": chance.choice(_TEXTS[:12]), "Birthday": chance.choice(_DAYS),
              "IsMember": chance.choice(_BOOLEANS)}
    return Row(remote_id, email, values, chance.choice(_FLAGS))


def groups_of(given: Sequence[Row]) -> list[list[Row]]:
    """The rows that a shared remote ID or address joins, also through others, each group in its order (ID-P3)."""
    leader: dict[str, str] = {}

    def find(name: str) -> str:
        while leader.setdefault(name, name) != name:
            name = leader[name]
        return name

    names = []
    for number, row in enumerate(given):
        mine = [f"row {number}"]
        if row.remote_id.strip():
            mine.append(f"key {row.remote_id.strip()}")
        if row.email.strip():
            mine.append(f"address {''.join(row.email.split()).strip(chr(0x200b)).lower()}")
        names.append(mine[0])
        for other in mine[1:]:
            leader[find(other)] = find(mine[0])
    found: dict[str, list[Row]] = {}
    for row, name in zip(given, names, strict=True):
        found.setdefault(find(name), []).append(row)
    return list(found.values())


def interleaved(groups: Iterable[Sequence[Row]], seed: int) -> list[Row]:
    """All rows in another order that the rules allow: groups mixed at random, each in its own order."""
    chance = random.Random(seed)
    slots = [number for number, group in enumerate(list(groups)) for _ in group]
    waiting = [iter(group) for group in groups]
    chance.shuffle(slots)
    return [next(waiting[number]) for number in slots]


def as_csv(given: Iterable[Row], *, tabs: bool = False) -> bytes:
    """The rows as a file with a header."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter="\t" if tabs else ",")
    writer.writerow(COLUMNS)
    writer.writerows(row.cells for row in given)
    return out.getvalue().encode()


def as_object(row: Row) -> dict[str, object]:
    """The row as a record of PUSH-49."""
    return {"remoteId": row.remote_id, "email": row.email, "fields": row.values, "doNotEmail": row.do_not_email}


def as_ndjson(given: Iterable[Row]) -> bytes:
    """One object a line."""
    return "".join(json.dumps(as_object(row), ensure_ascii=False) + "\n" for row in given).encode()


def as_json(given: Iterable[Row]) -> bytes:
    """One array."""
    return json.dumps([as_object(row) for row in given]).encode()


def as_xml(given: Iterable[Row]) -> bytes:
    """A document of subscriber elements (PUSH-62)."""
    parts = ["<subscribers>"]
    for row in given:
        fields = "".join(f"<field name={quoteattr(name)}>{escape(text)}</field>" for name, text in row.values.items())
        flag = f"<doNotEmail>{row.do_not_email}</doNotEmail>" if row.do_not_email else ""
        parts.append(f"<subscriber><remoteId>{escape(row.remote_id)}</remoteId><email>{escape(row.email)}</email>"
                     f"{fields}{flag}</subscriber>")
    return ("".join(parts) + "</subscribers>").encode()


def as_contact(row: Row) -> dict[str, object]:
    """The row as a ContactInfo of the compatible face."""
    values = dict(row.values)
    city = values.pop("City")
    details = {"ContactId": row.remote_id, "PrimaryEmailAddress": row.email, "DoNotEmail": row.do_not_email, **values}
    return {"ContactDetails": details, "Addresses": [{"City": city, "IsPrimary": "true"}]}


def pieces(data: bytes, size: int = 100_000) -> list[str]:
    """The bytes as base64 texts of at most ``size`` bytes each, as StartImport takes them."""
    return [base64.b64encode(data[at:at + size]).decode() for at in range(0, len(data), size)]
