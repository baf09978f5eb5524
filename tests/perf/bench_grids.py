"""What does a page of a grid cost, the first and the thousandth of a million rows, and beside lxml? (`make bench`)

A database of its own with a million opens and as many bounces of one publishing, made set by set. A page is 1,000 rows;
the thousandth is asked for twice: out of the blue, and as somebody who pages on, who has just got the page before it.
Then the CPU of a page, database included, beside lxml's for parsing the request, and parsing and writing the answer.
Prints the table of docs/performance.md; asserts only that the pages hold the rows that they should.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
from lxml import etree

from gateway.aapi.grids.request import answer_grid
from gateway.domain.accounts import READER
from tests.support.clocks import SettableClock
from tests.support.grids import Desk, day, grid, single
from tests.support.postgres import cluster

PAGE = 1_000
FIELDS = {
    "mailing_activity_opens": ("mailing_instance_id", "mailing_id", "email", "user_id", "open_date", "ip_address",
                               "email_client_name", "email_client_type_name"),
    "mailing_activity_bounces": ("mailing_instance_id", "email", "user_id", "is_hard_bounce", "is_soft_bounce",
                                 "is_repeat_bounce", "email_status_code", "is_aol_complaint"),
}
TYPES = {"mailing_activity_opens": "opened", "mailing_activity_bounces": "bounced"}

_EVENTS = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :rows)",
    "postgresql": "WITH n AS (SELECT i FROM generate_series(1, CAST(:rows AS bigint)) AS n(i))",
}
_INSERT = """
INSERT INTO event (brand_id, type, occurred_at, recorded_at, instance_id, delivery_id, subscriber_id, remote_id,
                   address, reason, code, automated, raw, client_name, client_type, once_key)
{numbers}
SELECT 1, CAST(:type AS text), {at}, {at}, :instance, (i * 7919) % :rows + 1, (i * 7919) % :rows + 1,
       'M-' || ((i * 7919) % :rows + 1), 'p' || ((i * 7919) % :rows + 1) || '@example.org', 'hard', '5.1.1', {false},
       {raw}, 'Apple Mail', 'desktop', CAST(:type AS text) || i
FROM n"""


class Shop(Desk):
    """A desk with a million events of each kind in one instance."""

    def stock(self, rows: int) -> int:
        """Makes them; answers the instance's id."""
        mailing = self.put("mailing", name="Load", subject="x", from_address="a@example.org", html="x",
                           state="released", created_by="t", created_at=day(2), changed_at=day(2))
        instance = self.put("mailing_instance", mailing_id=mailing, state="sent", send_at=day(1), created_by="t",
                            created_at=day(1), frozen_at=day(1))
        name = self.gateway.engine.dialect.name
        at = {"sqlite": r"'2026-01-14 12\:00\:00.000000'",
              "postgresql": "CAST('2026-01-14' AS timestamptz) + i * INTERVAL '1 millisecond'"}[name]
        raw = "'" + '{"ip": "192.0.2.0/24", "text": "550 5.1.1 no such user"}'.replace(":", r"\:") + "'"
        raw = raw if name == "sqlite" else f"CAST({raw} AS jsonb)"
        for kind in TYPES.values():
            with self.unit() as unit:
                made = _INSERT.format(numbers=_EVENTS[name], at=at, raw=raw, false="0" if name == "sqlite" else "false")
                unit.connection.execute(sa.text(made), {"rows": rows, "type": kind, "instance": instance})
        with self.gateway.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("ANALYZE" if name == "sqlite" else "VACUUM ANALYZE")
        return instance

    def page(self, token: str, instance: int, number: int) -> str:
        """The answer to page ``number``, from 1."""
        asked = grid(token, *FIELDS[token], where=(single("mailing_instance_id", instance),),
                     start=(number - 1) * PAGE + 1, size=PAGE)
        with self.reading(self.caller) as unit:
            return answer_grid(unit, etree.fromstring(asked))

    @property
    def caller(self):
        return self.__dict__.setdefault("kept", self.actor(role=READER, door="aapi"))


def timed(act: Callable[[], object], rounds: int) -> float:
    """The median time of a call in milliseconds."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        act()
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def rows_of(written: str) -> list[list[str]]:
    return [[field.text or "" for field in record.iter("Field")] for record in etree.fromstring(written)]


def measure(url: str, folder: Path, rows: int, rounds: int) -> None:
    last = rows // PAGE
    with Shop(url, SettableClock(), folder) as shop:
        instance = shop.stock(rows)
        name = shop.gateway.engine.dialect.name
        for token in FIELDS:
            first = timed(lambda token=token: shop.page(token, instance, 1), rounds)
            began = time.perf_counter()
            cold_page = shop.page(token, instance, last)
            cold = (time.perf_counter() - began) * 1000
            again = timed(lambda token=token: shop.page(token, instance, last), rounds)
            seen = rows_of(shop.page(token, instance, last - 1))
            warm = timed(lambda token=token: shop.page(token, instance, last), rounds)
            found = rows_of(shop.page(token, instance, last))
            assert found == rows_of(cold_page) and len(found) == PAGE and not {tuple(r) for r in found[:1]} & {
                tuple(r) for r in seen}
            print(f"{name:<11} {token:<26} page 1 {first:7.1f} ms   page {last} {warm:7.1f} ms ({warm / first:4.2f} x)"
                  f"   out of the blue {cold:7.1f} ms ({cold / first:4.2f} x), again {again:6.1f} ms")
            beside_lxml(shop, token, instance, rounds, name)


def beside_lxml(shop: Shop, token: str, instance: int, rounds: int, name: str) -> None:
    """CPU of this process for a page, beside lxml for the same documents."""
    asked = grid(token, *FIELDS[token], where=(single("mailing_instance_id", instance),), start=1, size=PAGE)
    answer = shop.page(token, instance, 1)

    def lxml() -> None:
        etree.fromstring(asked)
        etree.tostring(etree.fromstring(answer))

    ours, theirs = cpu(lambda: shop.page(token, instance, 1), rounds), cpu(lxml, rounds)
    print(f"{name:<11} {token:<26} CPU of a page {ours:7.1f} ms, lxml {theirs:5.1f} ms ({ours / theirs:4.2f} x)")


def cpu(act: Callable[[], object], rounds: int) -> float:
    began = time.process_time()
    for _ in range(rounds):
        act()
    return (time.process_time() - began) * 1000 / rounds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", choices=("sqlite", "postgresql"))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        if asked.only != "postgresql":
            measure(f"sqlite:///{place / 'gateway.db'}", place, asked.rows, asked.rounds)
        if asked.only != "sqlite":
            with cluster(shared_buffers="256MB") as running:
                measure(running.create("grids"), place, asked.rows, asked.rounds)


if __name__ == "__main__":
    main()
