"""Can an operator say when a system is synced, and see what its runs did? (ID-66, ID-70, ID-72)"""

import json
import os

import pytest

from tests.support.ams import sqlite_ams


@pytest.fixture
def ams(branded, tmp_path):
    """A database of 30 members behind the integration ``ams``; ``typed`` runs commands of the brand."""
    made = sqlite_ams(tmp_path)
    made.put_many(30)
    (tmp_path / "ams.json").write_text(json.dumps(made.config), encoding="utf-8")
    made.typed = lambda *words: branded(*words, "--brand", "9999")
    assert made.typed("integration", "add", "--name", "ams", "--kind", "sql", "--config", "ams.json")[0] == 0
    return made


def test_choices_runs_and_a_release(ams):
    """ID-70: a held run is listed with its reason and shown with people; releasing it is one more command."""
    chosen = ("--schedule", "0 2 * * *", "--time-zone", "Europe/Berlin", "--brake-rows", "3", "--before-mailing", "no")
    assert ams.typed("integration", "set", "--name", "ams", *chosen)[0] == 0
    assert ams.typed("sync-runs")[1] == "No sync has run.\n"
    assert ams.typed("sync", "--integration", "ams")[0] == 0
    for number in range(5):
        ams.drop(str(number))
    code, told, _ = ams.typed("sync", "--integration", "ams")
    assert code == 1 and "5 of 30 links to end" in told
    code, told, _ = ams.typed("sync-runs", "--integration", "ams", "--json")
    assert code == 0
    held, first = json.loads(told)["runs"]
    assert (first["state"], first["counts"]["new"], first["trigger"]) == ("success", 30, "hand")
    assert (held["state"], len(held["samples"]["swept"])) == ("held", 5)
    assert first["startedAt"].endswith("Z") and held["samples"]["swept"][0]["remoteId"] == "0"
    assert "swept: 0" in ams.typed("sync-runs", "--run", held["runId"])[1]
    assert ams.typed("sync", "--integration", "ams", "--release")[0] == 0
    assert [line.split()[4] for line in ams.typed("sync-runs", "--state", "success")[1].splitlines()] == ["success"] * 2


@pytest.mark.parametrize("words", [("--schedule", "every day"), ("--brake-share", "2"), ("--time-zone", "Berlin")])
def test_a_choice_that_makes_no_sense(ams, words):
    """It is named with what it takes; nothing is changed."""
    code, _, said = ams.typed("integration", "set", "--name", "ams", *words)
    assert code == 1 and "INVALID_VALUE" in said and " takes " in said


def test_what_a_system_says_does_not_steer_the_terminal(ams):
    """Control characters of foreign names are shown, not sent; JSON has them escaped."""
    ams.put("77", "x@example.org", 0, "\x1b[2JGold")
    code, told, _ = ams.typed("integration", "check", "--name", "ams")
    assert code == 0 and "\x1b" not in told and r"\x1b[2JGold (1)" in told


def test_a_reader_that_has_had_enough_is_no_error(ams, monkeypatch):
    """Such as ``gateway sync-runs | head``: no traceback, and nothing more is written."""
    end, beginning = os.pipe()
    os.close(end)
    with open(beginning, "w") as pipe:
        monkeypatch.setattr("sys.stdout", pipe)
        code, _, said = ams.typed("sync-runs")
    assert (code, said) == (1, "")
