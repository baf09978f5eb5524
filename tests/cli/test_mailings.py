"""Can an operator at the shell stop, release and decide what a mailing waits for? (SEND-2, SEND-24, SEND-38)"""

from __future__ import annotations

import json
import logging

import pytest

from gateway import app
from gateway.domain.accounts import system_actor
from gateway.domain.mailing import MailingDraft
from gateway.domain.records import ImportOptions, SubscriberRecord
from gateway.services import brandsettings, imports, mailings, review, sending

DRAFT = MailingDraft("March", "News", "news@example.org", "<p>Hello</p>", interests=("News",))


@pytest.fixture
def ask(branded):
    """Runs ``gateway mailing`` for brand 9999 and answers its JSON."""
    def run(*arguments, code=0):
        found, out, err = branded("mailing", arguments[0], "--brand", "9999", *arguments[1:], "--json")
        assert found == code, err
        return json.loads(out)
    return run


@pytest.fixture
def gateway(branded, sink, monkeypatch):
    """A brand with three people, one of whose mail servers never says whether it took the message."""
    monkeypatch.setenv("GATEWAY_SMTP_URL", sink.url)
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # those of the commands that made the brand are closed
    made = app.open_gateway()
    with made.unit(system_actor(9999, "cli")) as unit:
        imports.import_records(unit, [SubscriberRecord(None, f"{name}@example.org") for name in (
            "ann", "defer-4xx", "drop-after-dot-once")], ImportOptions(interests=("News",)))
    yield made
    made.close()


def released(gateway):
    with gateway.unit(system_actor(9999, "cli")) as unit:
        return mailings.send(unit, mailings.create(unit, DRAFT).mailing_id).instance_id


def test_stop_go_on_and_decide(branded, ask, gateway, sink):
    """SEND-38, SEND-24: the same acts and answers as at the doors, with the counts; what cannot be is refused."""
    instance_id = released(gateway)
    sending.run_instance(gateway, 9999, instance_id)
    [mailing] = ask("list")["mailings"]
    assert mailing["instances"][0]["counts"] == {"accepted": 1, "deferred": 1, "in_doubt": 1}
    instance = ("--instance", str(instance_id))
    for _ in range(2):
        assert ask("pause", *instance)["state"] == "paused"
    [doubt] = ask("doubts", *instance)["deliveries"]
    assert doubt["email"] == "drop-after-dot-once@example.org"
    decided = ask("doubts", *instance, "--decision", "resend", "--delivery", str(doubt["deliveryId"]))
    assert (decided["decided"], decided["instance"]["state"]) == (1, "paused")
    assert ask("doubts", *instance, "--decision", "count_as_sent")["decided"] == 0 == len(
        ask("doubts", *instance)["deliveries"])
    assert ask("resume", *instance)["state"] == "sending"
    sending.run_instance(gateway, 9999, instance_id)
    assert len(sink.messages) == 3, "once more, as decided"
    for _ in range(2):
        assert ask("cancel", *instance)["counts"] == {"accepted": 2, "cancelled": 1}
    assert ask("list")["mailings"] == [] and len(ask("list", "--all")["mailings"]) == 1
    assert ask("resume", *instance, code=1)["error"]["code"] == "STATE_CONFLICT"
    code, out, err = branded("mailing", "show", "--brand", "9999", "--mailing", str(mailing["mailingId"]))
    assert code == 0 and "accepted 2, cancelled 1" in out
    code, out, err = branded("mailing", "pause", "--brand", "9999", "--instance", "77")
    assert code == 1 and "NOT_FOUND" in err and "(--instance)" in err
    assert ask("doubts", *instance, "--delivery", "1", code=1)["error"]["field"] == "decision"


def test_review(ask, gateway):
    """SEND-2: who sits at the shell is an administrator."""
    with gateway.unit(system_actor(9999, "cli")) as unit:
        brandsettings.change(unit, {"review": "true"})
        mailing_id = mailings.create(unit, DRAFT).mailing_id
    mailing = ("--mailing", str(mailing_id))
    assert ask("approve", *mailing, code=1)["error"]["code"] == "STATE_CONFLICT"
    assert ask("list")["mailings"] == []
    for step, state in (("reject", "draft"), ("approve", "approved")):
        with gateway.unit(system_actor(9999, "cli")) as unit:
            review.submit(unit, mailing_id)
        assert [each["state"] for each in ask("list")["mailings"]] == ["in_review"]
        found = ask(step, *mailing, "--note", "Name the day.")
        assert (found["state"], found["reviewedBy"]) == (state, "system")
    assert ask("show", *mailing)["instances"] == []
