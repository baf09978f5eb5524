"""Can an operator see what an AMS offers and how it compares? (ID-32, ID-38, ID-65)"""

import json

import pytest

from tests.support.ams import sqlite_ams


@pytest.fixture
def ams(branded, tmp_path):
    """``branded`` with a synced database of three members, two of them in the group 7."""
    made = sqlite_ams(tmp_path)
    for number in range(1, 4):
        made.put(str(number), f"m{number}@example.org", 0, "Gold")
    made.group("7", "The Board", ["1", "2"])
    config = tmp_path / "bridge.json"
    config.write_text(json.dumps(made.config), encoding="utf-8")
    assert branded("integration", "add", "--brand", "9999", "--name", "members", "--kind", "sql", "--config",
                   str(config))[0] == 0
    assert branded("sync", "--brand", "9999", "--integration", "members")[0] == 0
    return made


def test_groups(branded, ams):
    """A group becomes an interest, is resolved and shown."""
    named = ("--brand", "9999", "--integration", "members")
    assert branded("group", "list", *named)[1].startswith("7: The Board")
    code, said, _ = branded("group", "add", *named, "--group", "7", "--json")
    assert (code, json.loads(said)["name"]) == (0, "The Board")
    code, said, _ = branded("group", "resolve", "--brand", "9999", "--interest", "The Board", "--json")
    assert (code, {name: json.loads(said)[name] for name in ("state", "members", "joined")}) == (
        0, {"state": "success", "members": 2, "joined": 2})
    assert "interest" in branded("group", "list", *named)[1]
    ams.do("DELETE FROM lists")
    code, said, _ = branded("group", "resolve", "--brand", "9999", "--interest", "The Board")
    assert (code, "left: 0" in said) == (1, True)
    said = branded("group", "list", *named)[1]
    assert said.startswith("7: is not offered any more - interest ") and ", last reading failed at 20" in said
    (told,) = json.loads(branded("group", "list", *named, "--json")[1])["groups"]
    assert (told["gone"], told["lastState"], told["name"]) == (True, "failed", "The Board") and told["resolvedAt"]
    assert branded("group", "add", *named, "--group", "99")[0] == 1
    assert branded("group", "list", "--brand", "1", "--integration", "members")[0] == 1


def test_orphans_and_a_comparison(branded, ams):
    """Exit code 0 while both sides agree, 1 with the names of what differs."""
    named = ("reconcile", "--brand", "9999", "--integration", "members")
    code, said, _ = branded(*named)
    assert (code, said.splitlines()[-1], "Gold: 3 there, 3 here; agrees." in said) == (0, "agrees", True)
    ams.drop("3")
    code, said, _ = branded(*named, "--names", "--list", "members")
    assert (code, said.splitlines()[-1]) == (1, "differs")
    assert said.startswith("members: 3 (there -, here m3@example.org) Not listed there any more")
    code, said, _ = branded(*named, "--names", "--json")
    assert code == 1 and {each["list"] for each in json.loads(said)["people"]} == {"members", "Gold"}
    assert branded("sync", "--brand", "9999", "--integration", "members", "--full")[0] == 0
    said = branded("orphan", "list", "--brand", "9999")[1]
    assert "last members:3 since" in said and "comes back by itself" in said
    code, said, _ = branded("orphan", "list", "--brand", "9999", "--integration", "members", "--json")
    assert [each["remoteId"] for each in json.loads(said)["orphans"]] == ["3"]
    assert branded(*named)[0] == 0
