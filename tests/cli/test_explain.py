"""Does the shell say why a person did or did not get something? (operator.md, ID-79)"""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from gateway import app
from gateway.domain.accounts import system_actor
from tests.support.installation import Installation


@pytest.fixture
def place(tmp_path):
    """An installation with brands 9999 and 9998, an AMS that lists two members, and a sync that took both."""
    with Installation(tmp_path) as made:
        made.brand()
        ams = made.folder / "ams.db"
        with closing(sqlite3.connect(ams)) as db, db:
            db.execute("CREATE TABLE members (id INTEGER, mail TEXT, no_mail INTEGER)")
            db.executemany("INSERT INTO members VALUES (?, ?, ?)", [
                (17, "ann@example.org", 0), (18, "bo@example.org", 1)])
        db.close()
        bridge = {"url": f"sqlite:///{ams}", "members": "SELECT id AS remote_id, mail AS email, "
                                                        "no_mail AS do_not_email FROM members",
                  "writeback": {"unsubscribe": "UPDATE members SET no_mail = 1 WHERE id = :remote_id"}}
        with made.services() as gateway:
            with gateway.unit(system_actor(9999, "cli")) as unit:
                integration_id = app.integrations.add(unit, "ams", "sql", bridge)
            app.sync.run(gateway, 9999, integration_id)
            app.accounts.add_brand(gateway, 9998, "Other", [])
        yield made


def test_sentences_for_a_person(place):
    """operator.md: who, why no mail, which rule, what the next sync changes; readable as it stands."""
    with closing(sqlite3.connect(place.folder / "ams.db")) as db, db:
        db.execute("UPDATE members SET no_mail = 0 WHERE id = 18")
    db.close()
    said = place.run("explain", "--brand", "9999", "--email", "Bo@example.org").stdout
    for sentence in ("This is record 2, known by the remote ID",
                     "bo@example.org (unsubscribed, record)", "remote ID 18 of ams since",
                     "No mail is sent to it. ams set its do-not-email flag on 18.", "by integration:ams.",
                     "To undo it: In ams: the flag ends when ams says so.",
                     "sync by sync:ams, upload 1 row 2: created", "ID-13: The remote ID was new",
                     "ams lists 18: the next sync changes the record.", "doNotEmail ams:18: true -> false",
                     "A record that came now with these identifiers would be unchanged. ID-15:"):
        assert sentence in said, f"{sentence!r} is not in\n{said}"


def test_facts_for_a_program(place):
    """operator.md: --json; by remote ID of any integration, or of the one that is named."""
    answer = place.ask("explain", "--brand", "9999", "--remote-id", "17")
    assert answer["people"][0]["email"] == "ann@example.org"
    assert answer["people"][0]["nextSync"][0]["outcome"] == "unchanged"
    named = place.ask("explain", "--brand", "9999", "--remote-id", "17", "--integration", "ams")
    assert named["people"][0]["links"] == answer["people"][0]["links"]
    assert place.ask("explain", "--brand", "9999", "--remote-id", "17", "--integration", "api")["people"] == []


def test_another_brand_and_nobody(place):
    """ID-P15: the other brand has nobody of ours; nobody is an answer, an unknown brand or instance is refused."""
    assert "Nobody in this brand" in place.run("explain", "--brand", "9998", "--email", "ann@example.org").stdout
    assert place.ask("explain", "--brand", "9998", "--remote-id", "17")["people"] == []
    for more in (("--brand", "7", "--email", "a@example.org"),
                 ("--brand", "9999", "--email", "a@example.org", "--mailing-instance", "9"),
                 ("--brand", "9998", "--subscriber", "1")):
        assert place.ask("explain", *more, code=1)["error"]["code"] == "NOT_FOUND"
    place.run("explain", "--brand", "9999", "--subscriber", str(2**63), code=2)
