"""Is a bad configuration of a REST interface refused with the key at fault, and without showing a secret?"""

import pytest

from gateway.bridges import registry
from gateway.errors import GatewayError

SECRET = "hush-hush"
FIELDS = {"remote_id": "id", "email": "contact.email", "do_not_email": "!mailing"}
GOOD = {
    "url": "https://ams.example.org:8443/api/v2/",
    "auth": {"kind": "oauth2", "token_url": "https://login.example.org/token", "client_id": "gateway",
             "client_secret": SECRET, "scope": "members"},
    "members": {"path": "/members?active=1", "items": "data.members", "fields": FIELDS,
                "paging": {"kind": "page", "parameter": "page", "size_parameter": "size", "size": 200},
                "since": {"parameter": "changed_since", "format": "unix", "full_every_days": 3}},
    "members_by_id": {"path": "/members/{remote_id}"},
    "writeback": {"unsubscribe": {"method": "PUT", "path": "/members/{remote_id}/mail",
                                  "body": {"at": "{occurred_at}"}}},
    "timeout_s": 5,
}
KEY = {"kind": "key", "header": "X-Api-Key", "value": SECRET}


def members(**change):
    return {"members": {**GOOD["members"], **change}}


def call(**change):
    return {"writeback": {"unsubscribe": {"path": "/m/{remote_id}", **change}}}


@pytest.mark.parametrize("change", [
    {}, {"auth": KEY}, {"auth": None}, {"url": "http://127.0.0.1:81"}, {"url": "http://[::1]/x"},
    {"url": "http://ams.lan", "plain_http": True}, members(paging=None, since=None), members(paging={"kind": "next"}),
    members(items=""), {"members_by_id": {"path": "/m", "parameter": "ids"}}, {"ca_file": "/etc/ca.pem"},
    call(path="/m", body={"who": ["{remote_id}"]}), call(method="DELETE")])
def test_good_ones_are_taken_without_a_connection(change):
    registry.check("http", {**GOOD, **change})


@pytest.mark.parametrize(("key", "change"), [
    ("url", {"url": None}), ("url", {"url": "ams.example.org"}), ("url", {"url": "ftp://ams.example.org"}),
    ("url", {"url": f"https://u:{SECRET}@ams.example.org"}), ("url", {"url": f"https://ams.example.org?key={SECRET}"}),
    ("url", {"url": "http://ams.example.org"}), ("url", {"url": "https://ams.example.org:port"}),
    ("url", {"url": "https://[ams"}), ("plain_http", {"plain_http": "yes"}), ("ca_file", {"ca_file": "ca.pem"}),
    ("auth", {"auth": SECRET}), ("auth.kind", {"auth": {"kind": "basic"}}),
    ("auth.password", {"auth": {**KEY, "password": "x"}}),
    ("auth.value", {"auth": {**KEY, "value": f"{SECRET}\r\nX: y"}}), ("auth.value", {"auth": {**KEY, "value": ""}}),
    ("auth.header", {"auth": {**KEY, "header": "X Key"}}), ("auth.send", {"auth": {**GOOD["auth"], "send": "query"}}),
    ("auth.token_url", {"auth": {**GOOD["auth"], "token_url": "http://login.example.org/"}}),
    ("auth.client_secret", {"auth": {**GOOD["auth"], "client_secret": None}}),
    ("members", {"members": []}), ("members.path", members(path="members")), ("members.path", members(path="//evil/x")),
    ("members.path", members(path="/a/../b")), ("members.path", members(path="/{remote_id}")),
    ("members.items", members(items="a..b")), ("members.query", members(query="x")),
    ("members.fields", members(fields="id")), ("members.fields.email", members(fields={"remote_id": "id"})),
    ("members.fields.email", members(fields={**FIELDS, "email": "!mail"})),
    ("members.fields.do_not_email", members(fields={**FIELDS, "do_not_email": "!"})),
    ("members.paging.kind", members(paging={"kind": "cursor"})),
    ("members.paging.parameter", members(paging={"kind": "page"})),
    ("members.paging.parameter", members(paging={"kind": "page", "parameter": "a&b"})),
    ("members.paging.size", members(paging={"kind": "page", "parameter": "p", "size_parameter": "s"})),
    ("members.paging.size", members(paging={"kind": "page", "parameter": "p", "size_parameter": "s", "size": 0})),
    ("members.paging.parameter", members(paging={"kind": "next", "parameter": "p"})),
    ("members.since.parameter", members(since={})),
    ("members.since.format", members(since={"parameter": "s", "format": "x"})),
    ("members.since.full_every_days", members(since={"parameter": "s", "full_every_days": 0})),
    ("members_by_id.path", {"members_by_id": {"path": "/members"}}),
    ("members_by_id.path", {"members_by_id": {"path": "/m/{remote_id}", "parameter": "ids"}}),
    ("members_by_id.path", {"members_by_id": {"path": "/m/{email}"}}),
    ("writeback", {"writeback": []}), ("writeback", {"writeback": None}),
    ("writeback.printed", {"writeback": {**GOOD["writeback"], "printed": {}}}),
    ("writeback.unsubscribe", call(path="/m")), ("writeback.unsubscribe.method", call(method="GET")),
    ("writeback.unsubscribe.path", call(path="/m/{password}")),
    ("writeback.unsubscribe.body", call(body={"x": ["{password}"]})), ("writeback.unsubscribe.boddy", call(boddy={})),
    ("probe", {"probe": "ping"}), ("timeout_s", {"timeout_s": 0}), ("timeout_s", {"timeout_s": True}),
    ("timeout_s", {"timeout_s": float("nan")}), ("user", {"user": "ams"}),
])
def test_bad_ones_name_the_key_and_the_remedy(key, change):
    with pytest.raises(GatewayError) as caught:
        registry.check("http", {**GOOD, **change})
    assert (caught.value.code, caught.value.field) == ("INVALID_VALUE", key)
    assert key in caught.value.message
    assert SECRET not in caught.value.message
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_bridge_does_not_show_its_secrets():
    for config in (GOOD, {**GOOD, "auth": KEY}):
        bridge = registry.make("http", config)
        assert SECRET not in repr(bridge) + repr(vars(bridge))
        bridge.close()
