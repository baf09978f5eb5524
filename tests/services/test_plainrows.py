"""Does the shortcut for plain rows end exactly as the long way does, for any history, on both databases? (ID-P3)"""

from __future__ import annotations

import csv
import io
from collections import Counter as Count

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.db.engine import read
from gateway.db.models import metadata
from gateway.domain.records import REPLACE_ALL, Counters, Identifier, ImportOptions, StatusEntry, SubscriberRecord
from gateway.formats.csv import CsvReader
from gateway.services import accounts, imports, optout, plainrows, suppression
from gateway.services.interests import resolve_names
from tests.support.pushes import ADDRESSES, records
from tests.support.world import World

SOME = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
FEW = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
COLUMNS = ("remoteId", "email", "FirstName", "last name", "Birthday", "IsMember", "interests", "doNotEmail")
FIELDS = {"firstname": "FirstName", "lastname": "LastName", "birthday": "Birthday", "ismember": "IsMember"}

PEOPLE = 8
people = st.integers(1, PEOPLE).map(str)
addresses = st.one_of(st.integers(1, PEOPLE).map(lambda n: f"p{n}@example.org"), st.sampled_from(ADDRESSES))
texts = st.sampled_from(("", "C", "Zo\u00eb", 'say "x"', "back\\slash", "tab\there", "50%", "a\nb", "\u00a0",
                         "x" * 4001))
ODDITIES = {
    "remoteId": st.one_of(st.just(""), people, st.sampled_from((" 7 ", "\u0007"))),
    "email": st.one_of(addresses, st.sampled_from(("", "nobody", " P1@Example.org"))),
    "FirstName": texts, "last name": texts,
    "Birthday": st.sampled_from(("", "1980-02-03T10:00:00Z", "0001-01-01", "1980-02-31")),
    "IsMember": st.sampled_from(("", "yes", "FALSE")), "interests": st.just("Events"),
    "doNotEmail": st.sampled_from(("true", "true", "false")),
}


@st.composite
def row(draw):
    """A row of a file about one of few people: as a rule the same as ever, at times odd in one cell."""
    number = draw(st.integers(1, PEOPLE))
    usual = (str(number), f"p{number}@example.org", "A", "B", "1980-02-03", "1", "", "")
    cells = dict(zip(COLUMNS, usual, strict=True))
    if draw(st.integers(0, 3)) == 0:
        cells["remoteId"] = ""
    if draw(st.integers(0, 3)) == 0:
        name = draw(st.sampled_from(COLUMNS))
        cells[name] = draw(ODDITIES[name])
    return number, tuple(cells.values())


rows = st.lists(row(), min_size=1, max_size=PEOPLE, unique_by=lambda pair: pair[0]).map(
    lambda pairs: [cells for _, cells in pairs])
integrations = st.sampled_from(("api", "api", "api", "ams"))
one_act = st.one_of(
    st.tuples(st.just("rows"), integrations, rows, st.booleans()),
    st.tuples(st.just("rows"), integrations, rows, st.booleans()),
    st.tuples(st.just("again"), integrations, st.none(), st.booleans()),
    st.tuples(st.just("twice"), integrations, rows, st.booleans()),
    st.tuples(st.just("records"), integrations, st.lists(records(), max_size=5), st.booleans()),
    st.tuples(st.just("opt out"), st.none(), addresses, st.none()),
    st.tuples(st.just("leave"), st.none(), addresses, st.none()),
    st.tuples(st.just("end"), integrations, people, st.none()))
acts = st.lists(one_act, min_size=3, max_size=7)


class Twins(World):
    """A world with two brands for every example: the same is done to both, one of which has no shortcut."""

    def play(self, history, options):
        """What both brands' senders were told, and what is stored of both; the first went the short way."""
        told = []
        for is_plain in (True, False):
            brand_id, last, answers = accounts.add_brand(self.gateway, None, "Example"), {}, []
            with self.unit(self.actor(brand_id=brand_id)) as unit:
                resolve_names(unit, ["All"], True)
            for kind, name, what, in_job in history:
                actor = self.actor(name or "api", brand_id=brand_id)
                if kind == "opt out":
                    with self.unit(actor) as unit:
                        suppression.unsubscribe(unit, [StatusEntry(Identifier(email=what))])
                elif kind == "leave":
                    with self.unit(actor) as unit:
                        optout.opt_out(unit, ["All"], [StatusEntry(Identifier(email=what))])
                elif kind == "end":
                    with self.unit(actor) as unit:
                        context = imports.prepare(unit, options, imports.open_upload(unit, options))
                        answers.append(imports.end_links(unit, context, [what]))
                else:
                    last[name] = last.get(name, []) if kind == "again" else chunk_of(kind, what)
                    answers.append(self._push(actor, [last[name]] * (2 if kind == "twice" else 1), options, is_plain,
                                              in_job))
            told.append((list(map(_told, answers)), self.state(brand_id)))
        return told

    def _push(self, actor, chunks, options, is_plain, in_job):
        """The outcomes of the chunks of one upload, or only their counts, as of a job."""
        outcomes, counters = [], Counters()
        with self.unit(actor) as unit:
            context = imports.prepare(unit, options, imports.open_upload(unit, options))
            context.plain = is_plain
            for at, chunk in enumerate(chunks):
                if in_job:
                    imports.apply_counted(unit, context, chunk, at * 1000, counters)
                else:
                    outcomes += imports.apply_chunk(unit, context, chunk, at * 1000)
            imports.finish(unit, context, released=True)
        return counters if in_job else outcomes

    def state(self, brand_id):
        """Every row that an import may write, with people named by what is known of them instead of their ids."""
        found = {}
        with read(self.gateway.engine) as connection:
            for name in ("subscriber", "remote_key", "source_values", "membership", "address_status", "decision"):
                t = metadata.tables[name]
                found[name] = [dict(row._mapping) for row in connection.execute(sa.select(t).where(
                    t.c.brand_id == brand_id))]
            sources = {row.id: (row.kind, row.name) for row in connection.execute(sa.select(metadata.tables["source"]))}
            uploads = list(connection.scalars(sa.select(metadata.tables["upload"].c.id).where(
                metadata.tables["upload"].c.brand_id == brand_id).order_by(metadata.tables["upload"].c.id)))
            names = {row.id: row.name for row in connection.execute(sa.select(metadata.tables["interest"]))}
            systems = {row.id: row.name for row in connection.execute(sa.select(metadata.tables["integration"]))}
        who = {row["id"]: repr((row["email"], row["merged_into"] is None, row["created_at"], sorted(
            (systems[key["integration_id"]], key["remote_id"]) for key in found["remote_key"]
            if key["subscriber_id"] == row["id"]))) for row in found["subscriber"]}
        spell = {"subscriber_id": who, "merged_into": who, "source_id": sources, "first_source_id": sources,
                 "interest_id": names, "integration_id": systems,
                 "upload_id": {u: at for at, u in enumerate(uploads)},
                 "last_upload_id": {u: at for at, u in enumerate(uploads)}}
        return {table: Count(repr([(name, spell[name].get(value) if name in spell else value)
                                   for name, value in row.items() if name not in ("id", "brand_id", "changes")])
                             for row in rows) for table, rows in found.items()}


def chunk_of(kind, what):
    """The chunk as its reader makes it: a block if the rows are sound lines, else records."""
    if kind == "records":
        return what
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    writer.writerows(what)
    return CsvReader(out.getvalue().splitlines(keepends=True), FIELDS).take(1000)


def _told(answer):
    if isinstance(answer, Counters):
        return answer
    numbers = {}
    for outcome in answer:
        if outcome.subscriber_id is not None:
            numbers.setdefault(outcome.subscriber_id, len(numbers))
    return [(o.index, o.line, o.status, o.rule, numbers.get(o.subscriber_id), o.email, o.remote_id, o.matched_by,
             o.problem, o.warnings) for o in answer]


@pytest.fixture
def always(monkeypatch):
    """However few rows there are, the plain ones go the short way."""
    monkeypatch.setattr(plainrows, "MIN_ROWS", 1)


@pytest.fixture
def twins(always, sqlite_url, tmp_path):
    with Twins(sqlite_url, data_dir=tmp_path) as made:
        yield made


@pytest.fixture
def twins_on_postgresql(always, postgresql_url, tmp_path):
    with Twins(postgresql_url, data_dir=tmp_path) as made:
        yield made


choices = st.builds(ImportOptions, mode=st.sampled_from(("AddOrUpdate", "AddOrUpdate", REPLACE_ALL, "Add", "Update")),
                    empty_value=st.sampled_from(("Keep", "Clear")),
                    interests=st.just(("All",)) | st.just(("All", "More")))
plain_choices = st.builds(ImportOptions, empty_value=st.sampled_from(("Keep", "Clear")))


@SOME
@given(history=acts, options=choices | plain_choices)
def test_the_short_way_ends_as_the_long_one(twins, history, options):
    """ID-P3, ID-10..16, ID-27: outcomes, rules, counters, decisions and every stored row."""
    short, long = twins.play(history, options)
    assert short == long


@FEW
@given(history=acts, options=choices | plain_choices)
def test_the_short_way_ends_as_the_long_one_on_postgresql(twins_on_postgresql, history, options):
    """ID-P3, ID-10..16, ID-27."""
    short, long = twins_on_postgresql.play(history, options)
    assert short == long


def line(remote_id, email, do_not_email=""):
    return remote_id, email, "A", "B", "1980-02-03", "1", "", do_not_email


def push(*lines, name="api", kind="rows"):
    return kind, name, list(lines), False


ANN, BO = line("1", "p1@example.org"), line("2", "p2@example.org")
KEYLESS = line("", "p1@example.org")
CASES = {
    "known, then in the same upload again": [push(ANN, BO), push(ANN, BO, kind="twice")],
    "an orphan by its address": [push(ANN, BO), ("end", "api", "1", None), push(KEYLESS, BO)],
    "an orphan comes back": [push(ANN, BO), ("end", "api", "1", None), push(ANN, BO)],
    "a flag by its own key": [push(line("1", "p1@example.org", "true"), BO), push(ANN, BO)],
    "a flag of a neighbour": [push(ANN, BO), push(line("9", "p1@example.org", "true"), name="ams"), push(ANN, BO)],
    "two systems, one address": [push(ANN), push(line("9", "p1@example.org"), name="ams"), push(KEYLESS, BO)],
    "an address opted out": [push(ANN, BO), ("opt out", None, "p1@example.org", None), push(ANN, BO)],
    "an address opted out before anybody has it": [("opt out", None, "p1@example.org", None), push(ANN, BO)],
    "opted out, then moved": [push(ANN, BO), ("opt out", None, "p1@example.org", None),
                              push(line("1", "new@example.org")), push(line("1", "new@example.org"), BO)],
    "left the interest": [push(ANN, BO), ("leave", None, "p1@example.org", None), push(ANN, BO)],
    "the same key twice": [push(ANN, line("1", "new@example.org"), BO)],
    "the same address twice": [push(ANN, line("7", "p1@example.org"), BO)],
    "the same address twice without key": [push(KEYLESS, KEYLESS, BO)],
    "made and adopted": [push(KEYLESS, ANN, BO)],
    "a stranger with the address of an odd row": [
        push(line("1", " P1@EXAMPLE.org ", "false"), line("7", "p1@example.org"))],
    "by address, while the key moves away": [push(ANN, BO), push(KEYLESS, line("1", "new@example.org"), BO)],
    "by address, after the key has moved away": [push(ANN, BO), push(line("1", "new@example.org"), KEYLESS, BO)],
    "a twin without key": [push(KEYLESS), push(line("1", "p2@example.org")), push(line("1", "p1@example.org"), BO)],
}


@pytest.mark.parametrize("history", CASES.values(), ids=CASES)
def test_what_looks_plain_and_is_not(twins, twins_on_postgresql, history):
    """ID-10..17, ID-27, ID-34, ID-39, ID-46: each case in which a shortcut would be tempting and wrong."""
    for world in (twins, twins_on_postgresql):
        for interests in ((), ("All",)):
            short, long = world.play(history, ImportOptions(interests=interests))
            assert short == long


def test_plain_rows_do_go_the_short_way(twins):
    """Else the two ways would agree for want of a second one."""
    block = chunk_of("rows", [(str(n), f"p{n}@example.org", "A", "B", "1980-02-03", "1", "", "") for n in range(20)])
    options = ImportOptions(interests=("All",))
    for expected in ((20, 0), (0, 20)):
        with twins.unit() as unit:
            context = imports.prepare(unit, options, imports.open_upload(unit, options))
            done = plainrows.apply_plain(unit, context, block)
        assert (len(done.created.at), len(done.same.at), list(done.others)) == (*expected, [])


def test_a_dry_run_of_plain_rows_writes_nothing(twins):
    """PUSH-56."""
    records_ = [SubscriberRecord(str(n), f"p{n}@example.org", {"FirstName": "A"}) for n in range(20)]
    with twins.unit() as unit:
        report = imports.import_records(unit, records_, ImportOptions(dry_run=True))
    assert report.counters.created == 20
    with read(twins.gateway.engine) as connection:
        for table in ("subscriber", "remote_key", "source_values", "decision"):
            assert connection.execute(sa.select(metadata.tables[table])).all() == []


@pytest.mark.parametrize(("chunk", "statuses"), [
    ((("2", "new@x.org"), ("1", "ann@x.org"), ("3", "cy@x.org")), ["updated", "updated", "created"]),
    ((("1", "ann@x.org"), ("2", "new@x.org"), ("3", "cy@x.org")), ["unchanged", "updated", "created"]),
    ((("2", "ann@x.org"), ("3", "cy@x.org")), ["updated", "created"]),
    (((None, "ann@x.org"), ("3", "cy@x.org")), ["unchanged", "created"]),
])
def test_an_ended_key_is_no_plain_one(twins, chunk, statuses):
    """ID-P3: a row that is as stored waits for the row that names the same person by another key, even an ended one."""
    told = []
    for is_plain in (True, False):
        brand_id = accounts.add_brand(twins.gateway, None, "Example")
        actor = twins.actor(brand_id=brand_id)
        with twins.unit(actor) as unit:
            options = ImportOptions()
            first = imports.import_records(unit, [SubscriberRecord("1", "ann@x.org")], options).outcomes[0]
            unit.connection.execute(sa.insert(metadata.tables["remote_key"]).values(
                brand_id=brand_id, integration_id=actor.integration_id, remote_id="2", created_at=unit.now,
                subscriber_id=first.subscriber_id, ended_at=unit.now))
            context = imports.prepare(unit, options, imports.open_upload(unit, options))
            context.plain = is_plain
            told.append(_told(imports.apply_chunk(unit, context, [SubscriberRecord(*each) for each in chunk], 0)))
    assert told[0] == told[1]
    assert [outcome[2] for outcome in told[0]] == statuses
