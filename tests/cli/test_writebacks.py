"""Can an operator let a system fetch its writebacks, and decide what is stuck? (ID-60, ID-63)"""

import datetime as dt
import json
from contextlib import closing

import pytest

from gateway import app
from gateway.domain.accounts import ROLE_SCOPES, Actor, system_actor
from gateway.domain.records import Identifier, ImportOptions, StatusEntry, SubscriberRecord
from gateway.domain.writeback import Acknowledgement
from gateway.services import imports, integrations, suppression, writebackfeeds


@pytest.fixture
def stuck(branded):
    """``typed`` with an integration ``ams`` that fetches; its two writebacks were refused three times."""
    assert branded("integration", "add", "--brand", "9999", "--name", "ams", "--kind", "api")[0] == 0
    assert branded("integration", "set", "--brand", "9999", "--name", "ams", "--writebacks", "pull")[0] == 0
    with closing(app.open_gateway()) as gateway:
        with gateway.unit(system_actor(9999)) as unit:
            ams = Actor(9999, "key:1", "push", ROLE_SCOPES["admin"], integrations.get_by_name(unit, "ams")
                        .integration_id, "ams")
        with gateway.unit(ams) as unit:
            imports.import_records(unit, [SubscriberRecord(name, f"{name}@example.org") for name in ("ann", "bo")],
                                   ImportOptions())
        with gateway.unit(system_actor(9999)) as unit:
            suppression.unsubscribe(unit, [StatusEntry(Identifier(email=f"{name}@example.org"), None)
                                           for name in ("ann", "bo")])
        with gateway.unit(ams) as unit:
            for _ in range(3):
                report = writebackfeeds.acknowledge(unit, [Acknowledgement(1, "Failed", "no such member"),
                                                           Acknowledgement(2, "Failed", "locked")])
                assert report.counters.updated == 2
                unit.now += dt.timedelta(minutes=31)  # past the next try
    return branded


def test_list_retry_dismiss(stuck):
    """ID-60: dead ones are listed, tried again or closed; a second decision is refused."""
    code, said, _ = stuck("writebacks", "list", "--brand", "9999", "--json")
    found = json.loads(said)["writebacks"]
    assert (code, [(each["id"], each["integration"], each["state"], each["message"]) for each in found]) == (
        0, [("1", "ams", "failed", "no such member"), ("2", "ams", "failed", "locked")])
    assert stuck("writebacks", "retry", "--brand", "9999", "--writeback", "1") == (
        0, "Writeback 1 will be tried again.\n", "")
    assert stuck("writebacks", "dismiss", "--brand", "9999", "--writeback", "2")[0] == 0
    code, _, error = stuck("writebacks", "retry", "--brand", "9999", "--writeback", "2")
    assert (code, "STATE_CONFLICT" in error) == (1, True)
    code, _, error = stuck("writebacks", "retry", "--brand", "9999", "--writeback", "77")
    assert (code, "--writeback" in error) == (1, True)
    assert stuck("writebacks", "list", "--brand", "9999")[1] == "There are none.\n"
    said = stuck("writebacks", "list", "--brand", "9999", "--state", "open", "--integration", "ams")[1]
    assert said.startswith("1 ams ann: unsubscribe of ") and said.count("\n") == 1
    said = stuck("writebacks", "list", "--brand", "9999", "--state", "all")[1]
    assert [line.split()[0] for line in said.splitlines()] == ["1", "2"]


def test_another_brands_are_not_there(stuck):
    """No brand's operator decides on another's."""
    assert stuck("brand", "add", "--id", "2", "--name", "Other")[0] == 0
    assert stuck("writebacks", "list", "--brand", "2", "--state", "all")[1] == "There are none.\n"
    for act in ("retry", "dismiss"):
        code, _, error = stuck("writebacks", act, "--brand", "2", "--writeback", "1")
        assert (code, "NOT_FOUND" in error) == (1, True)


def test_which_kinds_are_taken(branded):
    """ID-53, ID-56: unsubscribe in any case; --take goes with pull alone; none ends it."""
    assert branded("integration", "add", "--brand", "9999", "--name", "ams", "--kind", "api")[0] == 0
    choose = ("integration", "set", "--brand", "9999", "--name", "ams")

    def taken():
        with closing(app.open_gateway()) as gateway, gateway.reading(system_actor(9999)) as unit:
            return integrations.get_by_name(unit, "ams").pulls

    assert branded(*choose, "--writebacks", "pull")[0] == 0
    assert taken() == ("unsubscribe", "resubscribe", "bad_email", "corrected_address")
    assert branded(*choose, "--writebacks", "pull", "--take", "interest_left", "--take", "bad_email")[0] == 0
    assert taken() == ("unsubscribe", "bad_email", "interest_left")
    code, _, error = branded(*choose, "--writebacks", "none", "--take", "bad_email")
    assert (code, "--take" in error) == (1, True)
    assert branded(*choose, "--writebacks", "none")[0] == 0
    assert taken() == ()
    assert branded(*choose)[0] == 1


def test_a_webhook_is_set_rotated_and_ended(branded):
    """ID-63: the secret is shown once, an own one comes from input; what does not go together is refused."""
    assert branded("integration", "add", "--brand", "9999", "--name", "hook", "--kind", "api")[0] == 0
    choose = ("integration", "set", "--brand", "9999", "--name", "hook")

    def posts():
        with closing(app.open_gateway()) as gateway, gateway.reading(system_actor(9999)) as unit:
            return integrations.get_by_name(unit, "hook").has_webhook

    url = "https://ams.example.org/writebacks"
    said = json.loads(branded(*choose, "--webhook", url, "--take", "interest_left", "--json")[1])
    assert said["webhookSecret"].startswith("whsec_") and posts()
    assert branded(*choose, "--webhook", url + "/2") == (0, "Integration hook changed.\n", "")
    again = branded(*choose, "--rotate-webhook-secret")[1]
    assert "whsec_" in again and said["webhookSecret"] not in again
    for wrong in (("--webhook", "http://ams.example.org/"), ("--webhook", "none", "--rotate-webhook-secret"),
                  ("--webhook-secret", "-"), ("--writebacks", "pull"), ("--webhook-plain-http",),
                  ("--webhook", "none", "--take", "bad_email")):
        code, _, error = branded(*choose, *wrong)
        assert (code, "whsec" in error) == (1, False), wrong
    assert branded(*choose, "--webhook", "http://ams.lan/", "--webhook-plain-http")[0] == 0
    assert branded(*choose, "--webhook", "none")[0] == 0
    assert not posts()
    assert branded(*choose, "--rotate-webhook-secret")[0] == 1


def test_whether_a_mailings_activity_is_written_back(branded):
    """ID-57"""
    code, _, error = branded("mailing", "activity", "--brand", "9999", "--mailing", "7", "--write", "yes")
    assert (code, "--mailing" in error) == (1, True)
