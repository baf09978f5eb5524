"""Does an operator get a domain's mail signed, change keys, and hear what the DNS lacks? (SEND-43, operator.md)"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest

from gateway.domain import maildns
from tests.support.nameserver import NameServer

DOMAIN = "assoc.org"


@pytest.fixture
def world():
    """The DNS as a test wants it."""
    with NameServer() as server:
        yield server


@pytest.fixture
def operator(branded, world, monkeypatch):
    """Types commands of brand 9999 whose answer is JSON."""
    monkeypatch.setenv("GATEWAY_DNS_SERVERS", world.setting)
    monkeypatch.setenv("GATEWAY_PUBLIC_URL", f"https://mail.{DOMAIN}")

    def run(*arguments, brand="9999"):
        which = ("--brand", brand) if brand else ()
        code, out, err = branded(*arguments, *which, "--json")
        return code, json.loads(out), err

    return run


def key(operator, act, selector, *more, domain=DOMAIN, brand="9999"):
    return operator("dkim", act, "--domain", domain, "--selector", selector, *more, brand=brand)


def states(operator):
    return {found["selector"]: found["state"] for found in operator("dkim", "list")[1]["keys"]}


def test_from_a_new_key_to_the_next(operator, world, tmp_path):
    """SEND-43: made, published, set to work, and replaced by the next; the private half is sealed, then forgotten."""
    code, made, _ = key(operator, "add", "2026a")
    assert (code, made["state"], made["name"]) == (0, "waiting", "2026a._domainkey.assoc.org")
    code, refused, err = key(operator, "activate", "2026a")
    assert (code, refused["error"]["code"]) == (1, "STATE_CONFLICT") and "no DKIM key is published there" in err
    world.publish(made["name"], "TXT", maildns.quoted_strings(made["record"]))
    assert key(operator, "activate", "2026a")[1]["state"] == "active"
    assert key(operator, "activate", "2026a")[1]["state"] == "active"

    assert key(operator, "add", "2026b", "--algorithm", "ed25519")[1]["record"].startswith("v=DKIM1; k=ed25519; p=")
    assert key(operator, "activate", "2026b", "--unchecked")[0] == 0
    assert states(operator) == {"2026a": "active", "2026b": "active"}, "another algorithm is a second signature"
    key(operator, "add", "2027")
    key(operator, "activate", "2027", "--unchecked")
    assert states(operator) == {"2026a": "retired", "2026b": "active", "2027": "active"}
    assert key(operator, "retire", "2026b")[0] == key(operator, "retire", "2026b")[0] == 0
    with closing(sqlite3.connect(tmp_path / "data" / "gateway.db")) as database, database:
        kept = dict(database.execute("SELECT selector, private_key FROM dkim_key"))
    assert kept["2026a"] == kept["2026b"] == "" and kept["2027"] and "PRIVATE" not in kept["2027"]
    assert key(operator, "activate", "2026a", "--unchecked")[1]["error"]["code"] == "STATE_CONFLICT"


@pytest.mark.parametrize(("selector", "domain", "more", "code", "field"), [
    ("a.b", DOMAIN, (), "INVALID_VALUE", "selector"), ("a", "münchen.de", (), "INVALID_VALUE", "domain"),
    ("a", DOMAIN, ("--private-key", __file__), "INVALID_VALUE", "privateKey"),
    ("a", DOMAIN, ("--private-key", "/no/such/file"), "FAILED", None)])
def test_what_cannot_be_a_key(operator, selector, domain, more, code, field):
    exit_code, facts, _ = key(operator, "add", selector, *more, domain=domain)
    assert (exit_code, facts["error"]["code"], facts["error"]["field"]) == (1, code, field)
    assert operator("dkim", "list")[1]["keys"] == []


def test_a_selector_is_used_once(operator):
    """Mail on its way must go on verifying."""
    key(operator, "add", "a")
    key(operator, "retire", "a")
    assert key(operator, "add", "A")[1]["error"]["code"] == "ALREADY_EXISTS"


def test_keys_belong_to_a_brand(operator, branded):
    """Nobody sees or ends the keys of another brand."""
    assert branded("brand", "add", "--id", "7", "--name", "Other")[0] == 0
    key(operator, "add", "a")
    assert operator("dkim", "list", brand="7")[1] == {"keys": []}
    for act in ("activate", "retire"):
        assert key(operator, act, "a", brand="7")[1]["error"]["code"] == "NOT_FOUND"
    assert key(operator, "add", "a", brand="7")[0] == 0 and states(operator) == {"a": "waiting"}
    assert key(operator, "add", "a", brand="8")[1]["error"]["code"] == "NOT_FOUND"


def dns_line(operator):
    return operator("doctor", brand=None)[1]["dns"]


def test_the_doctor_says_what_the_dns_lacks(operator, world):
    """SPF, DKIM, DMARC, and where bounces come back."""
    assert "mail.assoc.org: no MX record" in dns_line(operator)["detail"]
    made = key(operator, "add", "a")[1]
    world.publish(f"mail.{DOMAIN}", "MX", f"10 mx.{DOMAIN}.")
    world.publish(f"mail.{DOMAIN}", "TXT", '"v=spf1 mx -all"')
    line = dns_line(operator)
    assert not line["ok"] and line["detail"] == f"{made['name']}: no DKIM key is published there"
    world.publish(made["name"], "TXT", maildns.quoted_strings(made["record"]))
    assert dns_line(operator) == {"ok": True, "detail": "2 domains are published as they should be"}


def test_dead_name_servers_are_no_riddle(operator, monkeypatch):
    """The remedy is in the line."""
    monkeypatch.setenv("GATEWAY_DNS_SERVERS", "127.0.0.1:9")
    line = dns_line(operator)
    assert not line["ok"] and "GATEWAY_DNS_SERVERS" in line["detail"]


@pytest.mark.parametrize("text", ["nonsense", "10.0.0.1:x", "10.0.0.1:99999", "10.0.0.1,dns.example.org"])
def test_name_servers_are_addresses(typed, monkeypatch, text):
    monkeypatch.setenv("GATEWAY_DNS_SERVERS", text)
    code, _, err = typed("init")
    assert code == 1 and "GATEWAY_DNS_SERVERS must be addresses" in err
