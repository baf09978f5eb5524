"""Does an operator see which foreign systems a brand has, what one of them answers, and what must be mended?"""

import json
import sqlite3
from contextlib import closing

import pytest

from tests.support.ams import sqlite_ams
from tests.support.folder_ams import FolderAms
from tests.support.http_ams import BY_PARAMETER, KEY, HttpAms

TAKEN = ["unsubscribe", "resubscribe", "bad_email"]


@pytest.fixture
def ams():
    with closing(HttpAms("offset")) as made:
        made.put("17", "ann@example.org", 0, "Gold; Board")
        made.put("0018", "bo@example.org", 1, "Gold")
        made.put("19", None, None)
        made.put(None, "cy@example.org")
        made.put("20", "no address")
        made.tell("17", FirstName="Ann", City=None)
        made.group("7", "Board", ["17"])
        yield made


def add(typed, tmp_path, config, kind="http", name="ams"):
    path = tmp_path / f"{name}.json"
    path.write_text(json.dumps(config))
    assert typed("integration", "add", "--brand", "9999", "--name", name, "--kind", kind, "--config", str(path))[0] == 0


def check(typed, name="ams"):
    code, said, _ = typed("integration", "check", "--brand", "9999", "--name", name, "--json")
    return code, json.loads(said)


def problems(facts):
    return {each["key"]: each["text"] for each in facts["findings"] if each["problem"]}


def notes(facts):
    return {each["key"] for each in facts["findings"] if not each["problem"]}


def test_a_system_that_is_well(branded, tmp_path, ams):
    """ID-65, ID-76: rows as a sync would understand them, fields, groups and the writebacks that it takes."""
    add(branded, tmp_path, ams.config)
    code, facts = check(branded)
    assert (code, facts["ok"], facts["reachable"], problems(facts)) == (0, True, True, {})
    members = facts["members"]
    assert (members["rows"], members["all"], members["rejected"], members["withoutAddress"]) == (5, True, 2, 1)
    assert members["doNotEmail"] == {"no": 1, "yes": 1, "unsaid": 1} and members["interests"] == {"Gold": 2, "Board": 1}
    assert members["samples"] == [{"remoteId": "17", "email": "ann@example.org"},
                                  {"remoteId": "0018", "email": "bo@example.org"}]
    assert (members["changes"], facts["fields"], facts["fieldsAskedOf"]) == (True, {"FirstName": 1, "City": 0}, 2)
    assert facts["groups"] == [{"groupId": "7", "name": "Board", "size": 1}]
    assert facts["writebacks"] == {"kinds": TAKEN, "way": "bridge", "fields": None}
    assert {"members", "values.fields.City"} == notes(facts)
    assert not any(method != "GET" and not path.endswith("/search") for method, path in ams.asked)  # nothing is written


def test_what_a_person_reads(branded, tmp_path, ams):
    add(branded, tmp_path, ams.config)
    code, said, _ = branded("integration", "check", "--brand", "9999", "--name", "ams")
    assert code == 0 and said.splitlines()[:6] == [
        "ams (http): it answers.", "Members, all 5 rows: 3 would be read, 2 rejected; 1 without address, 0 deleted.",
        "  17 ann@example.org", "  0018 bo@example.org", "  do_not_email: yes 1, no 1, unsaid 1",
        "  interests: Gold (2), Board (1)"]
    assert "Group 7: Board (1)" in said and "It is written: unsubscribe, resubscribe, bad_email." in said
    assert KEY not in said


FAULTS = [
    ({"url": "http://127.0.0.1:9/api"}, "url", "cannot be reached"),
    ({"auth": {"kind": "key", "header": "X-Api-Key", "value": "wrong-hush"}}, "url", "credentials"),
    ({"members": {"path": "/nobody", "fields": {"remote_id": "id", "email": "mail"}}}, "members", "404"),
    ({"members": {"path": "/members", "items": "datta", "fields": {"remote_id": "id", "email": "mail"}}}, "members",
     "datta"),
    ({"members": {"path": "/members?size=9", "items": "data", "fields": {"remote_id": "id", "email": "contact.mail"}}},
     "members", "No row has an address"),
    ({"members": {"path": "/members?size=9", "items": "data", "fields": {"remote_id": "nr", "email": "contact.email"}}},
     "members", "without a remote ID"),
    ({"members_by_id": {"path": "/members?of={remote_id}", "items": "data.4"}}, "members_by_id", "2 of 2"),
    ({"values": {**BY_PARAMETER, "remote_id": "number"}}, "values", "tells nothing"),
    ({"values": {**BY_PARAMETER, "path": "/people"}}, "values", "404"),
    ({"groups": {"list": {"path": "/groups", "items": "data", "fields": {"group_id": "nr", "name": "title.text"}},
                 "members": {"path": "/groups/{group_id}/members", "items": "data"}}}, "groups",
     "groups.list.fields.group_id"),
    ({"groups": {"list": {"path": "/groups", "items": "data", "fields": {"group_id": "id", "name": "title.text"}},
                 "members": {"path": "/group/{group_id}/members", "items": "data"}}}, "groups.members", "404")]
"""What is changed in the configuration, the key at fault, and a word of what is said."""


def test_every_problem_names_the_key_at_fault(branded, tmp_path, ams):
    """And exits with 1; nothing secret is shown."""
    for number, (change, key, word) in enumerate(FAULTS):
        add(branded, tmp_path, {**ams.config, **change}, name=f"ams {number}")
        code, facts = check(branded, f"ams {number}")
        found = problems(facts)
        assert (code, facts["ok"], list(found)) == (1, False, [key]) and word in found[key]
        assert not any(secret in json.dumps(facts) for secret in (KEY, "hush", "127.0.0.1"))


def test_a_system_that_lists_nobody_or_says_the_opposite(branded, tmp_path):
    made = sqlite_ams(tmp_path)
    add(branded, tmp_path, made.config, "sql")
    code, facts = check(branded)
    assert (code, notes(facts), facts["members"]["rows"]) == (0, {"members"}, 0)
    for number in range(5):
        made.put(str(number), f"m{number}@example.org", 1)
    code, facts = check(branded)
    assert code == 1 and "opposite" in problems(facts)["members"]
    made.put("1", "other@example.org", 0)
    assert "different data" in problems(check(branded)[1])["members"]


def test_only_the_first_rows_of_a_large_system_are_read(branded, tmp_path):
    made = sqlite_ams(tmp_path)
    made.put_many(1_001)
    add(branded, tmp_path, made.config, "sql")
    code, facts = check(branded)
    assert (code, facts["members"]["rows"], facts["members"]["all"]) == (0, 1000, False)
    made.drop("7")
    assert check(branded)[1]["members"]["all"] is True


def test_a_look_into_a_folder_leaves_its_files(branded, tmp_path):
    """And a folder that is not there is the key ``folder``."""
    made = FolderAms(tmp_path / "folder")
    made.put("17", "ann@example.org")
    add(branded, tmp_path, made.config, "folder")
    code, facts = check(branded)
    assert (code, facts["members"]["rows"], facts["members"]["changes"], facts["groups"]) == (0, 1, True, [])
    assert made.lying() == ["members.csv"]
    add(branded, tmp_path, made.away_config(), "folder", "gone")
    assert list(problems(check(branded, "gone")[1])) == ["folder"]


def test_a_system_that_only_calls_us_is_not_asked(branded):
    assert branded("integration", "add", "--brand", "9999", "--name", "crm", "--kind", "api")[0] == 0
    code, said, _ = branded("integration", "check", "--brand", "9999", "--name", "crm", "--json")
    assert (code, json.loads(said)["error"]["code"]) == (1, "STATE_CONFLICT")
    code, said, _ = branded("integration", "check", "--brand", "9999", "--name", "nobody", "--json")
    assert (code, json.loads(said)["error"]["code"]) == (1, "NOT_FOUND")


def test_a_configuration_that_does_not_open_is_a_problem_of_its_key(branded, tmp_path, ams, monkeypatch):
    """As after a lost key of the installation."""
    add(branded, tmp_path, ams.config)
    with closing(sqlite3.connect(tmp_path / "data" / "gateway.db")) as store:
        store.execute("UPDATE integration SET config = 'broken'")
        store.commit()
    code, facts = check(branded)
    assert (code, facts["reachable"], len(problems(facts))) == (1, False, 1)
    code, said, _ = branded("integration", "show", "--brand", "9999", "--name", "ams", "--json")
    assert code == 0 and json.loads(said)["problem"]


def test_list_and_show(branded, tmp_path, ams):
    """ID-60, ID-66: kind, state, next probe, the last sync; never what is in the configuration."""
    add(branded, tmp_path, ams.config)
    assert branded("integration", "add", "--brand", "9999", "--name", "crm", "--kind", "api")[0] == 0
    assert branded("integration", "set", "--brand", "9999", "--name", "crm", "--writebacks", "pull")[0] == 0
    assert branded("brand", "add", "--id", "7777", "--name", "Other")[0] == 0
    said = branded("integration", "list", "--brand", "7777", "--json")[1]
    assert [each["name"] for each in json.loads(said)["integrations"]] == ["api"]
    assert branded("integration", "show", "--brand", "7777", "--name", "ams")[0] == 1
    assert "ams (http): up; never synced\n" in branded("integration", "list", "--brand", "9999")[1]
    branded("sync", "--brand", "9999", "--integration", "ams")
    code, said, _ = branded("integration", "list", "--brand", "9999", "--json")
    _api, first, second = json.loads(said)["integrations"]
    assert (first["name"], first["kind"], first["state"], first["probeAt"], first["webhook"]) == (
        "ams", "http", "up", None, False)
    assert first["lastSync"] == "success" and first["lastSyncAt"] is not None
    assert first["lastSyncAt"].endswith("Z")
    assert second["pulls"] == ["unsubscribe", "resubscribe", "bad_email", "corrected_address"]
    code, said, _ = branded("integration", "show", "--brand", "9999", "--name", "ams")
    assert code == 0 and f"writebacks: {', '.join(TAKEN)}\n" in said and "fields: City, FirstName" in said
    code, shown, _ = branded("integration", "show", "--brand", "9999", "--name", "crm", "--json")
    assert (json.loads(shown)["way"], json.loads(shown)["fields"]) == ("pull", [])
    assert not any(secret in said + shown for secret in (KEY, "127.0.0.1", "X-Api-Key"))
    posted = ("--writebacks", "none", "--webhook", "https://ams.example.org/hush")
    for words in (posted[:2], posted[2:]):
        assert branded("integration", "set", "--brand", "9999", "--name", "crm", *words)[0] == 0
    said = branded("integration", "list", "--brand", "9999")[1]
    assert "crm (api): up; never synced; has a webhook\n" in said and "hush" not in said


@pytest.mark.parametrize(("text", "why"), [("[" * 100_000, "nested too deeply"), ("\ufeff{}", "url must be")])
def test_a_file_that_is_odd(branded, tmp_path, text, why):
    """One that is nested without end is refused with words; the mark that some editors put first is no fault."""
    (tmp_path / "odd.json").write_text(text, encoding="utf-8")
    code, _, said = branded("integration", "add", "--brand", "9999", "--name", "odd", "--kind", "sql", "--config",
                            "odd.json")
    assert code == 1 and "INVALID_VALUE" in said and why in said


def test_only_options_are_named_as_options(branded, tmp_path, ams):
    """A key of the bridge's file is none; what an option is called on the command line is what is named."""
    path = tmp_path / "wrong.json"
    path.write_text(json.dumps({**ams.config, "url": "ftp://ams.example.org"}))
    code, _, said = branded("integration", "add", "--brand", "9999", "--name", "x", "--kind", "http", "--config",
                            str(path))
    assert code == 1 and "configuration: url" in said and "(--" not in said
    code, _, said = branded("sync-runs", "--brand", "9999", "--run", "77")
    assert code == 1 and "(--run)" in said


def test_a_source_that_only_reads(branded, tmp_path, ams):
    """ID-53, ID-63: made in one command with who takes its unsubscribes; show and check say who that is."""
    path = tmp_path / "read.json"
    path.write_text(json.dumps({name: each for name, each in ams.config.items() if name != "writeback"}))
    add = ("integration", "add", "--brand", "9999", "--kind", "http", "--config", str(path), "--name")
    code, _, said = branded(*add, "none")
    assert code == 1 and "writeback must have at least 'unsubscribe'" in said and "--writebacks pull" in said
    assert branded(*add, "fetches", "--writebacks", "pull", "--take", "bad_email")[0] == 0
    code, said, _ = branded(*add, "hook", "--webhook", "https://ams.example.org/wb", "--take", "resubscribe", "--json")
    assert code == 0 and json.loads(said)["webhookSecret"].startswith("whsec_")
    assert branded(*add, "wrong", "--take", "bad_email")[0] == 1
    kinds = {"fetches": ("pull", ["unsubscribe", "bad_email"]), "hook": ("webhook", ["unsubscribe", "resubscribe"])}
    for name, (way, taken) in kinds.items():
        code, facts = check(branded, name)
        assert (code, facts["writebacks"]) == (0, {"kinds": taken, "way": way, "fields": None})
        shown = json.loads(branded("integration", "show", "--brand", "9999", "--name", name, "--json")[1])
        assert (shown["way"], shown["writebacks"], shown["fields"]) == (way, taken, ["City", "FirstName"])
    change = ("integration", "set", "--brand", "9999", "--name")
    for words in (("fetches", "--writebacks", "none"), ("hook", "--webhook", "none")):
        code, _, said = branded(*change, *words)
        assert code == 1 and "nobody else takes those of" in said
    assert branded(*change, "hook", "--webhook", "none", "--writebacks", "pull")[0] == 0
    assert branded(*change, "hook", "--writebacks", "none", "--webhook", "https://ams.example.org/wb")[0] == 0
    path.write_text(json.dumps(ams.config))
    assert branded(*change, "hook", "--webhook", "none", "--config", str(path))[0] == 0
    assert check(branded, "hook")[1]["writebacks"] == {"kinds": TAKEN, "way": "bridge", "fields": None}
