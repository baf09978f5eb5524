"""Does anything of a value that was fetched for a mailing ever reach a disk or a log? (ID-65, ID-76, ID-77)"""

import io
import logging
import tempfile

import pytest
import sqlalchemy as sa

from gateway import log
from gateway.db.engine import sqlite_file
from gateway.db.models.base import metadata
from gateway.db.models.subscribers import cached_value, remote_key
from gateway.domain.accounts import system_actor
from gateway.domain.records import Identifier
from gateway.services import catalogue, integrations, mailings, personalisation, testcopies, tracking
from tests.support.ams import MemoryAms
from tests.support.mailreader import read

NAME, TOWN = "Zqx-Ophelia-77", "Vyborg-Quux-93 " + "lörem " * 300
MARKS = (b"Zqx-Ophelia", b"Vyborg-Quux", b"Zqx=2DOphelia", "Zqx-Ophelia".encode("utf-16-le"))
HTML = ('<p>Dear {{ FirstName }} of {% if City %}{{ City }}{% endif %}</p>'
        '<p><a href="https://example.org/">a</a> <a href="https://example.org/?n={{ FirstName }}">x</a> '
        '<a href="{{ view_url }}">view</a></p>')


@pytest.fixture
def temp(tmp_path, monkeypatch):
    """A temp folder of this test alone."""
    folder = tmp_path / "temp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


class Everything(logging.Handler):
    """Keeps all that a record carries, its fields too."""

    def __init__(self):
        super().__init__(logging.DEBUG)
        self.out = io.StringIO()

    def emit(self, record):
        """Writes it down."""
        self.out.write(f"{record.getMessage()} {record.__dict__!r} {record.exc_info!r}\n")


@pytest.fixture
def told():
    """Everything that is logged at DEBUG, of the libraries as the program itself sets them up."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    log.setup(logging.DEBUG)
    handler = Everything()
    root.addHandler(handler)
    yield handler.out
    root.handlers[:] = before[0]
    root.setLevel(before[1])


def careless(house):
    """From now on SQLite leaves what it deletes where it stood, as most builds do unless they are told."""
    if sqlite_file(house.settings.database_url) is not None:
        sa.event.listen(house.gateway.engine, "connect", lambda raw, _: raw.execute("PRAGMA secure_delete=OFF"))
        house.gateway.engine.dispose()


def on_disk(house, told):
    """Where one of the marks stands: files under the test's folder, tables of PostgreSQL, the log."""
    root = house.settings.data_dir
    places = [f"file {path.name}" for path in sorted(root.rglob("*")) if path.is_file()
              and any(mark in path.read_bytes() for mark in MARKS)]
    if sqlite_file(house.settings.database_url) is None:
        with house.reading() as unit:
            for table in metadata.sorted_tables:
                with unit.connection.connection.cursor() as cursor, \
                        cursor.copy(f'COPY "{table.name}" TO STDOUT') as copy:
                    rows = b"".join(map(bytes, copy))
                if any(mark in rows for mark in MARKS):
                    places.append(f"table {table.name}")
    text = told.getvalue().encode()
    return places + ["the log"] * any(mark in text for mark in MARKS)


def prepared(house, ams: MemoryAms):
    """Twenty people, each with values of their own; one message of theirs waits, one is refused, one is in doubt."""
    with house.unit(system_actor(1)) as unit:
        integration_id = integrations.add(unit, "ams", "memory")
    people = [f"p{number}@example.org" for number in range(17)]
    people += ["defer-4xx@example.org", "bounce-5xx@example.org", "drop-after-dot@example.org"]
    for number, email in enumerate(people):
        person = house.add_person(email)
        with house.unit() as unit:
            unit.connection.execute(sa.insert(remote_key).values(
                brand_id=1, integration_id=integration_id, remote_id=f"r{number}", subscriber_id=person,
                do_not_email=False, created_at=unit.now))
        ams.tell(f"r{number}", FirstName=f"{NAME}-{number}", City=f"{TOWN}-{number}")
    house.add_field("City")


def everything(house, sink):
    """A mailing in all ways: previewed, tested, sent, opened, clicked, seen in a browser."""
    mailing_id, who = house.create(html=HTML, subject="For {{ FirstName }}"), Identifier(email="p1@example.org")
    with house.reading() as unit:
        assert NAME in mailings.preview(unit, mailing_id, who).html
    testcopies.send_tests(house.gateway, house.actor(), mailing_id, ["me@example.org"], who)
    house.run(house.schedule(mailing_id))
    assert len(sink.messages) == 19 and all(NAME in read(each.data).html for each in sink.messages)
    mail = read(sink.messages[-1].data)
    house.hit(mail.pixel)
    house.hit(mail.clicks[0])
    assert NAME in tracking.view(house.gateway, mail.view.rpartition("/")[2])
    house.fold()


def test_nothing_of_a_personalised_mailing_is_kept(told, house, ams, sink, temp):
    """ID-65, ID-76: neither in the database, nor in its log, the journal, the spools, temporary files or the log."""
    prepared(house, ams)
    everything(house, sink)
    assert on_disk(house, told) == []
    assert "audience frozen" in told.getvalue()  # there was a log to look into


def test_what_may_be_kept_is_in_its_table_alone_and_gone_after_the_purge(told, house, ams, sink, temp):
    """ID-77: also from free pages and SQLite's log; long values have pages of their own."""
    careless(house)
    prepared(house, ams)
    with house.unit(system_actor(1, "cli")) as unit:
        catalogue.choose(unit, "FirstName", cache_hours=1)
        catalogue.choose(unit, "City", cache_hours=1)
    everything(house, sink)
    house.gateway.engine.dispose()
    is_sqlite = sqlite_file(house.settings.database_url) is not None
    found = on_disk(house, told)
    assert found and all(place.startswith("file gateway.db") if is_sqlite else place == "table cached_value"
                         for place in found)
    with house.reading() as unit:
        assert unit.connection.scalar(sa.select(sa.func.count()).select_from(cached_value)) == 40
    for number in range(20):  # others come in the place of some, shorter and longer
        ams.tell(f"r{number}", FirstName=f"{NAME}-{number}" * (number % 3 + 1), City=TOWN[:number * 90] + "x")
    house.send(html=HTML)
    house.clock.advance(hours=1, seconds=1)
    personalisation.purge(house.gateway)
    house.gateway.engine.dispose()
    assert on_disk(house, told) == []


def test_switching_the_keeping_off_leaves_nothing_at_once(told, house, ams, sink, temp):
    """ID-77: with the log of SQLite, which the command empties."""
    careless(house)
    prepared(house, ams)
    for hours in (5, catalogue.NOT_CACHED):
        with house.unit(system_actor(1, "cli")) as unit:
            catalogue.choose(unit, "City", cache_hours=hours)
        if hours == 5:
            house.send(html=HTML)
            assert on_disk(house, told)
    catalogue.forget_log(house.gateway)
    assert on_disk(house, told) == []


def test_a_log_that_is_read_while_the_keeping_is_switched_off_is_emptied_later(told, house, ams, sink, temp):
    """ID-77: by the next purge, though nothing is kept any more."""
    careless(house)
    prepared(house, ams)
    with house.unit(system_actor(1, "cli")) as unit:
        catalogue.choose(unit, "City", cache_hours=5)
    house.send(html=HTML)
    with house.reading() as reader:
        reader.connection.scalar(sa.select(sa.func.count()).select_from(cached_value))
        with house.unit(system_actor(1, "cli")) as unit:
            catalogue.choose(unit, "City", cache_hours=catalogue.NOT_CACHED)
        catalogue.forget_log(house.gateway)
    personalisation.purge(house.gateway)
    assert on_disk(house, told) == []
