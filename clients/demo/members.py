"""Which people does the sample AMS have, and what does an export of it really look like?

2,000 members made from a fixed seed, with the mess of real exports: shared addresses, missing IDs, upper-case and
padded addresses, accents, an invalid address, duplicate rows, and addresses that changed since the export.
"""

from __future__ import annotations

import csv
import io
import random
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

COUNT = 2000
BY_SOAP = 1200  # the first rows of the export go over SOAP, the others as CSV over HTTP
INTEREST = "Members"

FIRST = "Ann Bea Chloé Dörte Émile François Gül Håkon Inés Jürgen Łukasz Māra Nuño Øyvind Šárka Zoë".split()
LAST = "Abelard Brontë Çelik Dvořák Núñez O'Neil Pham Quill Rossi Strauß Tóth Ümit Vogel Woźniak Young".split()


@dataclass(frozen=True, slots=True)
class Row:
    """One row of an export: as a sender sends it, not as it should be."""

    member_no: str
    email: str
    first_name: str
    last_name: str


def ams_members() -> list[Row]:
    """The members as the AMS knows them today: everybody has a number, some share an address."""
    chance = random.Random(2000)
    members = []
    for number in range(1, COUNT + 1):
        email = f"member{number:04d}@example.org"
        if number % 100 == 0:  # a household: the same address as the member before
            email = f"member{number - 1:04d}@example.org"
        elif number % 130 == 0:  # a mailbox that is gone
            email = f"bounce-5xx-{number}@example.org"
        members.append(Row(f"M-{number:05d}", email, chance.choice(FIRST), chance.choice(LAST)))
    return members


def is_flagged(member: Row) -> bool:
    """Whether the AMS says that this member wants no e-mail."""
    return int(member.member_no[2:]) % 150 == 7


def export_rows() -> list[Row]:
    """Last month's export: what goes over SOAP and as CSV, with everything that is wrong with it."""
    rows = []
    for number, member in enumerate(ams_members(), 1):
        row = member
        if number % 40 == 3:
            row = replace(row, email=row.email.upper())
        if number % 40 == 5:
            row = replace(row, email=f"  {row.email}\t")
        if number % 50 == 11:  # the export lost the number
            row = replace(row, member_no="")
        if number % 200 == 13:  # the member has a new address since
            row = replace(row, email=f"old{number:04d}@example.org")
        if number == 777:
            row = replace(row, email="not an address")
        rows.append(row)
        if number % 250 == 17:  # the same row twice
            rows.append(row)
    return rows


def as_csv(rows: Sequence[Row]) -> bytes:
    """The rows as the nightly job pushes them: CSV in UTF-8 with a header."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(["Member ID", "E-Mail", "FirstName", "LastName"])
    writer.writerows([row.member_no, row.email, row.first_name, row.last_name] for row in rows)
    return out.getvalue().encode()


def make_ams(path: Path) -> None:
    """The in-house database: one table that the gateway reads from and writes unsubscribes into."""
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE members (member_no TEXT PRIMARY KEY, email TEXT, first_name TEXT, "
                         "last_name TEXT, no_mail INTEGER, opted_out_on TEXT)")
        database.executemany("INSERT INTO members VALUES (?, ?, ?, ?, ?, NULL)", [
            (m.member_no, m.email, m.first_name, m.last_name, int(is_flagged(m))) for m in ams_members()])
    database.close()


def bridge_config(path: Path) -> dict[str, object]:
    """The bridge's configuration for that database."""
    return {
        "url": f"sqlite:///{path}",
        "members": f"SELECT member_no AS remote_id, email, no_mail AS do_not_email, '{INTEREST}' AS interests "
                   "FROM members ORDER BY member_no",
        "writeback": {"unsubscribe": "UPDATE members SET opted_out_on = :occurred_at WHERE member_no = :remote_id"},
    }


def opted_out_in_ams(path: Path) -> set[str]:
    """The numbers of the members whose unsubscribe has arrived in the AMS."""
    database = sqlite3.connect(path)
    try:
        return {number for number, in database.execute("SELECT member_no FROM members WHERE opted_out_on IS NOT NULL")}
    finally:
        database.close()
