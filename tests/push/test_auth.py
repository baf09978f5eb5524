"""Keys, scopes, and what a stranger learns: nothing."""

import dataclasses
import datetime as dt
import ipaddress

import pytest

from gateway.domain.accounts import system_actor
from gateway.services import accounts

TEXT = "The credentials are missing or wrong. Check brand, name and secret."


@pytest.mark.parametrize("header", ["ApiKey", "X-Api-Key", "apikey", "X-API-KEY"])
def test_key_in_any_header(door, header):
    """PUSH-1, PUSH-104: three ways to say it, in any case."""
    key = door.key()
    assert door.stranger().get("/interests", headers={header: key}).status_code == 200
    assert door.stranger().get("/interests", headers={"Authorization": f"bearer {key}"}).status_code == 200
    same_twice = {header: key, "Authorization": f"Bearer {key}"}
    assert door.stranger().get("/interests", headers=same_twice).status_code == 200


def test_every_refusal_is_the_same(door):
    """PUSH-1: missing, unknown, two that differ, in the URL, expired, revoked: one answer."""
    key, second = door.key(), door.key()
    with door.gateway.unit(system_actor(1)) as unit:
        expired = accounts.add_key(unit, "api", ["import"], expires_at=unit.now - dt.timedelta(seconds=1))[1]
        elsewhere = accounts.add_key(unit, "api", ["import"], allow_ip=["192.0.2.0/24"])[1]
    stranger = door.stranger()
    answers = [
        stranger.get("/interests"), stranger.get("/nothing"), stranger.get("/interests", headers={"ApiKey": "wrong"}),
        stranger.get("/interests", headers={"ApiKey": key, "X-Api-Key": second}),
        stranger.get("/interests", headers={"ApiKey": key, "Authorization": "Bearer x"}),
        stranger.get(f"/interests?apiKey={key}"), stranger.get(f"/interests?api_key={key}", headers={"ApiKey": key}),
        stranger.get("/interests", headers={"ApiKey": expired}),
        stranger.get("/interests", headers={"ApiKey": elsewhere}),
        stranger.get("/interests", headers={"Authorization": f"Basic {key}"}),
    ]
    for answer in answers:
        assert (answer.status_code, answer.json["code"]) == (401, "NOT_AUTHENTICATED")
        assert answer.json["errorMessage"] == TEXT
        assert key not in answer.text


def test_wrong_keys_lock_nobody_out(door, call):
    """PUSH-1: the same answer however often; and who has a key is served, whatever others at its address send."""
    stranger = door.stranger()
    answers = {stranger.get("/interests", headers={"ApiKey": "old"}).status_code for _ in range(120)}
    assert (answers, call.get("/interests").status_code) == ({401}, 200)


@pytest.mark.parametrize(("method", "path", "scope"), [
    ("POST", "/subscribers", "import"), ("POST", "/imports", "import"), ("GET", "/imports", "import"),
    ("GET", "/imports/j-1", "import"), ("GET", "/imports/j-1/errors", "import"),
    ("POST", "/imports/j-1/cancel", "import"), ("POST", "/subscribers/unsubscribe", "import"),
    ("POST", "/subscribers/resubscribe", "import"), ("GET", "/subscribers/1", "report"),
    ("GET", "/subscribers?email=a@b.org", "report"), ("GET", "/interests", "import"), ("POST", "/interests", "import"),
    ("POST", "/mailings", "send"), ("PATCH", "/mailings/1", "send"), ("GET", "/mailings", "send"),
    ("GET", "/mailings/1", "send"), ("POST", "/mailings/1/preview", "send"), ("POST", "/mailings/1/test", "send"),
    ("POST", "/mailings/1/schedule", "send"), ("POST", "/mailings/1/send", "send"),
    ("POST", "/mailings/1/cancel", "send"), ("GET", "/mailings/1/report", "report"), ("GET", "/events", "report")])
def test_scopes(door, method, path, scope):
    """PUSH-1: a right not held is 403 and named, before anything is read or looked up."""
    scopes = [each for each in ("import", "send", "report", "writeback") if each != scope]
    answer = door.caller(*scopes)(method, path, **({"data": b"{"} if method != "GET" else {}))
    assert (answer.status_code, answer.json["code"]) == (403, "NOT_ALLOWED")
    assert f"'{scope}'" in answer.json["errorMessage"]


@pytest.mark.parametrize(("trusted", "forwarded", "status"), [
    ("127.0.0.1", "192.0.2.7", 200), ("127.0.0.1", "198.51.100.1, 192.0.2.7", 200),
    ("127.0.0.1", "192.0.2.7, 198.51.100.1", 401), ("127.0.0.1", "", 401), ("127.0.0.1", "nonsense", 401),
    ("127.0.0.1,198.51.100.0/24", "192.0.2.7, 198.51.100.1", 200), ("", "192.0.2.7", 401)])
def test_forwarded_address_of_a_trusted_proxy(door, trusted, forwarded, status):
    """GATEWAY_TRUSTED_PROXIES: only what trusted proxies wrote counts, from the right; empty: nothing does."""
    networks = tuple(ipaddress.ip_network(each) for each in trusted.split(",") if each)
    door.gateway.settings = dataclasses.replace(door.gateway.settings, trusted_proxies=networks)
    with door.gateway.unit(system_actor(1)) as unit:
        key = accounts.add_key(unit, "api", ["import"], allow_ip=["192.0.2.0/24"])[1]
    headers = {"ApiKey": key} | ({"X-Forwarded-For": forwarded} if forwarded else {})
    assert door.stranger().get("/interests", headers=headers).status_code == status


def test_health_needs_no_key(door):
    """PUSH-45: open to all, and says nothing but that."""
    answer = door.stranger().get("/health")
    assert (answer.status_code, answer.json) == (200, {"status": "ok"})


def test_reserved_path(call, door):
    """PUSH-47: authenticated, then 501."""
    assert call.post("/members", data=b"x").json["code"] == "NOT_SUPPORTED"
    assert call.post("/members", data=b"x").status_code == 501
    assert door.stranger().post("/members", data=b"x").status_code == 401


@pytest.mark.parametrize(("method", "path"), [
    ("POST", "/writebacks/1/retry"), ("POST", "/writebacks/x/dismiss"), ("POST", "/mailings/1/resume"),
    ("GET", "/nothing"), ("GET", "/subscribers/"), ("GET", "//subscribers"),
    ("GET", "/imports/12"), ("GET", "/imports/j-"), ("GET", "/imports/j-0"), ("GET", "/imports/j-9"),
    ("GET", "/imports/j-99999999999999999999"), ("GET", "/imports/j-1/rejects"), ("POST", "/mailings/1/pause"),
    ("GET", "/mailings/x"), ("GET", "/mailings/-1"), ("GET", "/mailings/9/report"), ("GET", "/mailings/1%00")])
def test_what_is_not_there_is_404(call, method, path):
    """PUSH-80, PUSH-92: an unknown path or id is JSON with 404."""
    answer = call(method, path)
    assert (answer.status_code, answer.json["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize(("method", "path", "allow"), [
    ("DELETE", "/subscribers", {"GET", "HEAD", "POST"}), ("OPTIONS", "/interests", {"GET", "HEAD", "POST"}),
    ("GET", "/mailings/1/send", {"POST"}), ("PUT", "/mailings/1", {"GET", "HEAD", "PATCH"})])
def test_method_not_allowed(call, method, path, allow):
    """PUSH-12, PUSH-80, PUSH-92: 405 is JSON and names the methods."""
    answer = call(method, path)
    assert (answer.status_code, answer.json["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert set(answer.headers["Allow"].replace(" ", "").split(",")) == allow


def test_head(call):
    """PUSH-104: HEAD is GET without its body."""
    assert call("HEAD", "/interests").status_code == 200


def test_our_fault_is_json_without_a_trace(door, call, monkeypatch, caplog):
    """PUSH-30, PUSH-85, PUSH-92: 500 tells the request id, nothing of the inside; the log has the id, not the data."""
    secret = "SELECT secret FROM " + "ann@" + "example.org"

    def broken(*_args):
        raise RuntimeError(secret)

    monkeypatch.setattr("gateway.services.interests.find", broken)
    answer = call.get("/interests")
    assert (answer.status_code, answer.json["code"], answer.json["retryable"]) == (500, "INTERNAL_ERROR", True)
    assert "SELECT" not in answer.text
    assert "Traceback" not in answer.text
    logged = [record for record in caplog.records if record.name == "gateway.push"][-1]
    assert logged.fields["request_id"] == answer.json["requestId"]
    assert "ann@" not in str(logged.fields)
