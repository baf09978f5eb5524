"""The same request twice is done once."""

import pytest

ANN = [{"email": "ann@example.org"}]


def test_replay(call, door):
    """PUSH-73: the stored status and body, marked; the request id in header and body still agree."""
    key = {"Idempotency-Key": "k-1"}
    first = call.post("/subscribers", json=ANN, headers=key)
    again = call.post("/subscribers", json=ANN, headers=key)
    assert (first.json["replayed"], again.json["replayed"]) == (False, True)
    assert again.json | {"replayed": False} == first.json
    assert again.headers["X-Request-Id"] == again.json["requestId"] == first.json["requestId"]
    assert (door.count("upload"), again.status_code) == (1, 200)


def test_other_content_is_a_conflict(call, door):
    """PUSH-73, PUSH-81: body, path, query and content type belong to the request."""
    key = {"Idempotency-Key": "k-1"}
    call.post("/subscribers", json=ANN, headers=key)
    others = [
        call.post("/subscribers", json=[{"email": "bo@example.org"}], headers=key),
        call.post("/subscribers?mode=Add", json=ANN, headers=key),
        call.post("/subscribers", json=ANN, headers=key, content_type="text/json"),
        call.post("/subscribers/unsubscribe", json=ANN, headers=key),
        call.post("/interests", json={"name": "News"}, headers=key)]
    for answer in others:
        assert (answer.status_code, answer.json["code"]) == (409, "IDEMPOTENCY_CONFLICT")
    assert (door.count("subscriber"), door.count("interest"), door.count("event")) == (1, 0, 0)


def test_keys_belong_to_their_api_key(door, call, other):
    """PUSH-73: kept per API key; another key or brand is another story."""
    key = {"Idempotency-Key": "k-1"}
    second = door.caller()
    for caller in (call, second, other):
        assert caller.post("/subscribers", json=ANN, headers=key).json["replayed"] is False


def test_refusals_are_not_stored(call, door):
    """PUSH-74: what was refused as a whole may be tried again under the same key."""
    key = {"Idempotency-Key": "k-1"}
    assert call.post("/subscribers", data=b"{", headers=key).status_code == 400
    assert call.post("/interests", json={"name": ""}, headers=key).status_code == 400
    assert call.post("/subscribers", json=ANN, headers=key).json["created"] == 1


def test_failed_records_are_an_answer_like_any_other(call):
    """PUSH-74, PUSH-77: a batch with failures was done; the same key answers it again."""
    key = {"Idempotency-Key": "k-1"}
    first = call.post("/subscribers", json=[{"email": "nobody"}], headers=key)
    assert call.post("/subscribers", json=[{"email": "nobody"}], headers=key).json == first.json | {"replayed": True}


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "ä", "a\tb"])
def test_bad_keys(call, door, key):
    """PUSH-73: 1 to 255 visible ASCII characters."""
    answer = call.post("/subscribers", json=ANN, headers={"Idempotency-Key": key})
    assert (answer.status_code, answer.json["code"], answer.json["field"]) == (400, "INVALID_VALUE", "Idempotency-Key")
    assert door.count("subscriber") == 0


def test_a_mailing_is_made_and_sent_once(call, door):
    """PUSH-73 on the steps that matter most."""
    body = {"name": "n", "subject": "s", "fromAddress": "us@example.org", "html": "<p>x</p>", "interests": []}
    key = {"Idempotency-Key": "k-1"}
    first, again = (call.post("/mailings", json=body, headers=key).json for _ in range(2))
    assert (again["mailingId"], again["replayed"]) == (first["mailingId"], True)
    assert door.count("mailing") == 1
