"""Does GET /push/v1/subscribers/explain say all of ID-79, to whom it belongs alone? (PUSH-36)"""

import logging

ANN = {"remoteId": "17", "email": "ann@example.org", "fields": {"FirstName": "Ann"}, "interests": {"add": ["News"]}}


def explain(caller, **query):
    return caller.get("/subscribers/explain", query_string=query)


def test_one_person_whole(call):
    """ID-79: who, whence, by which rule, whether mail comes, what the next sync makes; nothing is null."""
    call.post("/subscribers", json=[ANN])
    answer = explain(call, email="Ann@Example.org")
    assert answer.status_code == 200
    body = answer.json
    (person,) = body["people"]
    assert person["subscriberId"] == "1" and person["mode"] == "emailAndRemoteId" and person["sendable"] is True
    assert person["fields"][0]["values"] == [
        {"source": "integration:api", "value": "Ann", "changedAt": "2026-01-15T12:00:00.000Z", "effective": True}]
    assert person["memberships"][0]["interest"] == "News" and person["memberships"][0]["state"] == "open"
    (decision,) = person["decisions"]
    assert (decision["rule"], decision["status"], decision["row"]) == ("ID-13", "created", 1)
    assert decision["meaning"].startswith("The remote ID was new")
    assert person["verdict"] == {"question": "sendable", "reaches": True, "sentence": "Mail can be sent to it.",
                                 "blockers": []}
    assert person["nextSync"][0]["asked"] == "callsUs"
    assert body["asked"] == {"email": "Ann@Example.org"} and body["address"]["records"] == 1
    assert body["nextRecord"]["rule"] == "ID-15"
    assert "null" not in answer.get_data(as_text=True)


def test_a_mailing_and_an_instance(call):
    """ID-79: would it reach them, and why not."""
    call.post("/subscribers", json=[ANN])
    call.post("/subscribers/unsubscribe", json=[{"email": "ann@example.org", "reason": "moved"}])
    mailing = call.post("/mailings", json={"name": "n", "subject": "s", "fromAddress": "a@example.org",
                                           "html": "<p>x</p>", "interests": ["News"]}).json["mailingId"]
    verdict = explain(call, remoteId="17", mailing=mailing).json["people"][0]["verdict"]
    assert (verdict["question"], verdict["reaches"], verdict["reason"]) == ("mailing", False, "unsubscribed")
    blocker = verdict["blockers"][0]
    assert (blocker["fact"], blocker["on"], blocker["origin"], blocker["reason"]) == ("opt_out", "address", "api",
                                                                                      "moved")
    assert blocker["since"] == "2026-01-15T12:00:00.000Z" and "Resubscribe" in blocker["undo"]


def test_nobody_is_an_answer(call):
    """ID-79: an address that nobody has is explained, too."""
    body = explain(call, email="nobody@example.org").json
    assert body["people"] == [] and body["nextRecord"]["status"] == "created"


def test_what_is_refused(call, door):
    """PUSH-30: whom, which scope, which parameter."""
    for query, status, code in (({}, 400, "INVALID_REQUEST"), ({"email": "nonsense"}, 400, "INVALID_EMAIL"),
                                ({"subscriberId": "99"}, 404, "NOT_FOUND"), ({"subscriberId": "x"}, 404, "NOT_FOUND"),
                                ({"email": "a@example.org", "mailing": "9"}, 404, "NOT_FOUND"),
                                ({"remoteId": "17", "integration": "nope"}, 404, "NOT_FOUND"),
                                ({"mail": "a@example.org"}, 400, "INVALID_REQUEST")):
        answer = explain(call, **query)
        assert (answer.status_code, answer.json["code"]) == (status, code), query
    assert explain(door.caller("import"), email="a@example.org").status_code == 403
    assert explain(door.stranger(), email="a@example.org").status_code == 401


def test_two_brands_never_meet(call, other):
    """ID-P15: the other brand's caller learns nothing of ours."""
    call.post("/subscribers", json=[ANN])
    call.post("/subscribers", json=[{"email": "bo@example.org", "fields": {"Birthday": "soon"}}])
    assert explain(other, subscriberId="1").status_code == 404
    for email in ("ann@example.org", "bo@example.org"):
        body = explain(other, email=email).json
        assert body["people"] == [] and body["unmatched"] == [] and body["address"]["records"] == 0
    assert explain(call, email="bo@example.org").json["unmatched"][0]["code"] == "INVALID_DATE"


def test_no_personal_data_in_the_log(call, caplog):
    """An explanation is for whoever asks, not for whoever reads the log."""
    call.post("/subscribers", json=[ANN])
    with caplog.at_level(logging.INFO):
        explain(call, email="ann@example.org")
    assert "ann@" not in caplog.text
