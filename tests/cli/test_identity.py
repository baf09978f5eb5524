"""Does an operator get through erasing, undoing a merge, One-to-Many and a brand's choices, and past typing errors?"""

from __future__ import annotations

import json

import pytest

from gateway.clock import system_clock
from gateway.domain.records import ImportOptions, SubscriberRecord
from gateway.services import imports
from tests.support.world import World

ANN = "ann@example.org"


@pytest.fixture
def people(branded, tmp_path):
    """Brand 9999 with #1 ann@ merged into #2 K-1 ann@, and #3 C-1 of the integration crm at the same address."""
    assert branded("key", "add", "--brand", "9999", "--integration", "crm")[0] == 0
    with World(f"sqlite:///{tmp_path}/data/gateway.db", system_clock, tmp_path / "data", brands=()) as world:
        for remote_id, email, integration in ((None, ANN, "api"), ("K-1", "lee@example.org", "api"),
                                              ("K-1", ANN, "api"), ("C-1", ANN, "crm")):
            with world.unit(world.actor(integration, brand_id=9999)) as unit:
                imports.import_records(unit, [SubscriberRecord(remote_id, email)], ImportOptions())
    return branded


def ask(typed, *arguments, **more):
    code, out, err = typed(*arguments, "--brand", "9999", "--json", **more)
    return code, json.loads(out)


def test_erase_asks_again(people):
    """ID-35: the address once more, or --yes; what would go is said first."""
    code, _out, err = people("erase", "--brand", "9999", "--remote-id", "K-1", stdin="K-2\n")
    assert code == 1 and "records: 2" in err and "nothing was erased" in err
    code, facts = ask(people, "erase", "--remote-id", "K-1", stdin="K-1\n")
    assert (code, facts["subscriber_id"], facts["merged_ids"], facts["remote_ids"]) == (0, 2, [1], 1)
    code, facts = ask(people, "erase", "--remote-id", "C-1", "--integration", "crm", "--yes")
    assert (code, facts["addresses"]) == (0, 1)
    code, facts = ask(people, "erase", "--email", ANN, "--yes")
    assert (code, facts["error"]["code"]) == (1, "NOT_FOUND")
    assert people("erase", "--brand", "9999", "--yes")[0] == 2
    assert people("erase", "--brand", "1", "--email", ANN, "--yes")[0] == 1


def test_a_merge_is_undone(people):
    """ID-26."""
    code, facts = ask(people, "merge", "undo", "--subscriber", "1")
    assert (code, facts["id"], facts["email"]) == (0, 1, ANN)
    code, facts = ask(people, "merge", "undo", "--subscriber", "1")
    assert (code, facts["error"]["code"]) == (1, "NOT_FOUND")


def test_one_to_many_there_and_back(people):
    """ID-73..75: preview, on with its fingerprint, off."""
    assert ask(people, "one-to-many")[1] == {"mode": "standard", "state": None, "fingerprint": None}
    code, facts = ask(people, "one-to-many", "--on")
    assert (code, facts["error"]["field"]) == (1, "fingerprint")
    code, seen = ask(people, "one-to-many", "--preview")
    assert (code, seen["mains"], seen["merged"], seen["complete"]) == (0, 1, 1, True)
    assert seen["groups"] == [{"survivor_id": 2, "loser_ids": [3], "conflicts": [], "status_changes": []}]
    code, out, _err = people("one-to-many", "--brand", "9999", "--preview")
    assert "3 into 2" in out and f"--on --fingerprint {seen['fingerprint']}" in out
    code, facts = ask(people, "one-to-many", "--on", "--fingerprint", "wrong")
    assert (code, facts["error"]["code"]) == (1, "STATE_CONFLICT")
    code, facts = ask(people, "one-to-many", "--on", "--fingerprint", seen["fingerprint"])
    assert (code, facts["mode"], facts["state"], facts["merged"]) == (0, "one_to_many", "on", 1)
    code, facts = ask(people, "one-to-many", "--off")
    assert (code, facts["mode"], facts["state"]) == (0, "standard", "off")
    assert people("one-to-many", "--brand", "9999", "--on", "--off")[0] == 2


def test_a_brands_choices(people):
    """Names and values are checked, all or none are set, and shown without any."""
    code, facts = ask(people, "brand", "set")
    of_identity = {"unknownField": "warn", "maxEmailLength": 254, "repairAddresses": False, "smtpUtf8": False,
                   "createInterests": True, "sourcePriority": [], "brakeShare": 0.1, "brakeRows": 10,
                   "identityMode": "standard"}
    of_sending = {"dkim": "warn", "ignoreAutoReplies": True, "inDoubt": "hold"}
    assert facts["settings"].items() >= (of_identity | of_sending).items()
    code, facts = ask(people, "brand", "set", "unknownField=fail", "maxEmailLength=100", "repairAddresses=yes",
                      "sourcePriority=integration:crm, local")
    assert code == 0 and facts["settings"]["sourcePriority"] == ["integration:crm", "local"]
    for choice, code, field in (("unknownField=perhaps", "INVALID_VALUE", "unknownField"),
                                ("maxEmailLength=9999", "INVALID_VALUE", "maxEmailLength"),
                                ("brakeShare=1.5", "INVALID_VALUE", "brakeShare"),
                                ("brakeShare=nan", "INVALID_VALUE", "brakeShare"),
                                ("brakeRows=-1", "INVALID_VALUE", "brakeRows"),
                                ("sourcePriority=integration:ams", "INVALID_VALUE", "sourcePriority"),
                                ("identityMode=one_to_many", "STATE_CONFLICT", "identityMode"),
                                ("colour=red", "INVALID_VALUE", "name"), ("unknownField", "INVALID_VALUE", None)):
        refused = ask(people, "brand", "set", "createInterests=no", choice)[1]["error"]
        assert (refused["code"], refused["field"]) == (code, field), choice
    after = ask(people, "brand", "set")[1]["settings"]
    assert (after["unknownField"], after["createInterests"], after["repairAddresses"]) == ("fail", True, True)


def test_an_integration_is_changed(people):
    """ID-3."""
    code, facts = ask(people, "integration", "set", "--name", "crm", "--identity", "imis_legacy")
    assert (code, facts["name"]) == (0, "crm")
    for arguments, refusal in ((("--name", "nobody", "--identity", "standard"), "NOT_FOUND"),
                               (("--name", "crm"), "INVALID_REQUEST")):
        assert ask(people, "integration", "set", *arguments)[1]["error"]["code"] == refusal
    assert people("integration", "set", "--brand", "9999", "--name", "crm", "--identity", "x")[0] == 2
