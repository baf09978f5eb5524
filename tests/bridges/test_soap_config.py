"""Is a bad configuration of a SOAP service refused with the key at fault, and without showing a secret?"""

import pytest

from gateway.bridges import registry
from gateway.errors import GatewayError

SECRET = "hush-hush"
FIELDS = {"remote_id": "Id", "email": "Contact.Email", "do_not_email": "!Mailing", "interests": "Groups.*.Name"}
WRITE = {"operation": "SetMail", "arguments": {"id": "{remote_id}", "at": "{occurred_at}", "key": SECRET}}
GOOD = {
    "wsdl": "https://ams.example.org:8443/service.asmx?wsdl", "service": "Members", "port": "MembersSoap",
    "endpoint": "https://ams.example.org/service.asmx",
    "auth": {"kind": "username_token", "user": "gateway", "password": SECRET, "digest": True},
    "members": {"operation": "GetMembers", "arguments": {"page": "{page}", "size": "{size}", "since": "{since}"},
                "result": "GetMembersResult.Member", "fields": FIELDS, "ok": "!Error",
                "paging": {"kind": "page", "first": 0, "size": 200, "total": "Total"},
                "since": {"format": "unix", "full_every_days": 3}},
    "members_by_id": {"operation": "GetMember", "arguments": {"id": "{remote_id}"}},
    "values": {"operation": "GetProfiles", "arguments": {"ids": {"string": "{remote_ids}"}}, "result": "Profile",
               "remote_id": "Id", "fields": {"FirstName": "Name.First"}, "size": 100},
    "groups": {"list": {"operation": "GetGroups", "result": "Group", "fields": {"group_id": "@id", "name": "Title"}},
               "members": {"operation": "GetGroup", "arguments": {"id": "{group_id}"}, "result": "Member.0.Person"}},
    "writeback": {"unsubscribe": WRITE}, "check": {"operation": "Ping"},
    "faults": {"refused": ["Odd"], "absent": ["NotFound"], "away": ["Busy"]}, "timeout_s": 5, "ca_file": "/etc/ca.pem",
}


def part(key, **change):
    return {key: {**GOOD[key], **change}}


def group(name, **change):
    return {"groups": {**GOOD["groups"], name: {**GOOD["groups"][name], **change}}}


def write(arguments=None, kind="unsubscribe", **change):
    given = {"arguments": arguments} if arguments else {}
    return {"writeback": {"unsubscribe": WRITE, kind: {**WRITE, **given, **change}}}


@pytest.mark.parametrize("change", [
    {}, {"auth": None}, {"auth": {"kind": "basic", "user": "u", "password": "p\u00e4ss"}}, {"endpoint": None},
    {"auth": {"kind": "header", "name": "{urn:x}Key", "value": {"User": "u", "Deep": {"Key": SECRET}}}},
    {"wsdl": "/etc/ams/ams.wsdl"}, {"wsdl": "http://127.0.0.1:81/x?wsdl"},
    {"wsdl": "http://ams.lan/", "plain_http": True},
    {"members_by_id": None, "values": None, "groups": None, "check": None, "faults": None, "ca_file": None},
    part("members", paging=None, since=None, arguments={}), part("values", arguments={"a": ["{remote_id}"]}),
    part("members", paging={"kind": "cursor", "path": "Next"}, arguments={"c": "{cursor}"},
         since={"operation": "Changes", "arguments": {"since": "{since}", "c": "{cursor}"}}),
    part("members", paging={"kind": "offset"}, arguments={"o": "{offset}", "since": "{since}"}),
    write({"{field}": "{value}", "id": "{remote_id}"}, "field_changed"),
    {"writeback": {"unsubscribe": WRITE, "field_changed": {
        "Title": {"operation": "SetTitle", "arguments": {"id": "{remote_id}", "title": "{value}"}}}}}])
def test_good_ones_are_taken_without_a_connection(change):
    registry.check("soap", {**GOOD, **change})


@pytest.mark.parametrize(("key", "change"), [
    ("wsdl", {"wsdl": None}), ("wsdl", {"wsdl": "ams.example.org"}), ("wsdl", {"wsdl": "file:///etc/ams.wsdl"}),
    ("wsdl", {"wsdl": "ftp://ams.example.org/x"}), ("wsdl", {"wsdl": f"https://u:{SECRET}@ams.example.org"}),
    ("wsdl", {"wsdl": "http://ams.example.org/x?wsdl"}), ("wsdl", {"wsdl": "https://[ams"}),
    ("endpoint", {"endpoint": "http://ams.example.org"}), ("endpoint", {"endpoint": "/etc/ams"}),
    ("service", {"service": 7}), ("port", {"port": ""}), ("plain_http", {"plain_http": "yes"}),
    ("ca_file", {"ca_file": "ca.pem"}), ("auth", {"auth": SECRET}), ("auth.kind", {"auth": {"kind": "oauth2"}}),
    ("auth.user", part("auth", user="")), ("auth.password", part("auth", password=None)),
    ("auth.password", part("auth", password=f"{SECRET}\n")), ("auth.digest", part("auth", digest="yes")),
    ("auth.digest", {"auth": {"kind": "basic", "user": "u", "password": SECRET, "digest": True}}),
    ("auth.user", {"auth": {"kind": "basic", "user": "a:b", "password": SECRET}}),
    ("auth.name", {"auth": {"kind": "header", "name": "Key", "value": SECRET}}),
    ("auth.name", {"auth": {"kind": "header", "name": "{urn:x}a b", "value": SECRET}}),
    ("auth.value", {"auth": {"kind": "header", "name": "{urn:x}Key", "value": {}}}),
    ("auth.value", {"auth": {"kind": "header", "name": "{urn:x}Key", "value": {"a b": SECRET}}}),
    ("auth.value.Key", {"auth": {"kind": "header", "name": "{urn:x}Key", "value": {"Key": [SECRET]}}}),
    ("members", {"members": []}), ("members.operation", part("members", operation=None)),
    ("members.result", part("members", result="")), ("members.result", part("members", result="a..b")),
    ("members.result", part("members", result="*")), ("members.result", part("members", result="a.*.0")),
    ("members.ok", part("members", ok="!")), ("members.query", part("members", query="x")),
    ("members.arguments", part("members", arguments=["x"])),
    ("members.arguments", part("members", arguments={"a b": 1})),
    ("members.arguments", part("members", arguments={"a": "{remote_id}"})),
    ("members.arguments.a", part("members", arguments={"a": f"{SECRET}\x00"})),
    ("members.arguments._soapheaders", part("members", arguments={"_soapheaders": []})),
    ("members.fields", part("members", fields="Id")),
    ("members.fields.email", part("members", fields={"remote_id": "Id"})),
    ("members.fields.email", part("members", fields={**FIELDS, "email": "!Mail"})),
    ("members.fields.deleted", part("members", fields={**FIELDS, "deleted": "!"})),
    ("members.paging", part("members", paging=None)), ("members.paging.kind", part("members", paging={"kind": "next"})),
    ("members.paging.kind", part("members", paging={"kind": "offset"})),
    ("members.paging.size", part("members", paging={"kind": "page"})),
    ("members.paging.first", part("members", paging={"kind": "page", "first": 2, "size": 5})),
    ("members.paging.path", part("members", paging={"kind": "cursor"}, arguments={"c": "{cursor}"}, since=None)),
    ("members.since", part("members", since=None)), ("members.since.format", part("members", since={"format": "x"})),
    ("members.since.arguments", part("members", since={"arguments": {}})),
    ("members.since.arguments", part("members", since={"arguments": {"s": "{since}"}})),
    ("members.since.full_every_days", part("members", since={"full_every_days": 0})),
    ("members_by_id.arguments", part("members_by_id", arguments={})),
    ("members_by_id.arguments", part("members_by_id", arguments={"a": "{remote_id}", "b": "{remote_ids}"})),
    ("values.arguments", part("values", arguments={"ids": "x,{remote_ids}"})),
    ("values.remote_id", {"values": {k: v for k, v in GOOD["values"].items() if k != "remote_id"}}),
    ("values.fields", part("values", fields={})), ("values.fields.first_name", part("values", fields={
        "FirstName": "A", "first_name": "B"})), ("values.size", part("values", size=201)),
    ("groups.list", {"groups": {"members": GOOD["groups"]["members"]}}),
    ("groups.list.result", group("list", result=None)),
    ("groups.list.fields.name", group("list", fields={"group_id": "Id"})),
    ("groups.members.arguments", group("members", arguments={})),
    ("groups.members.fields.email", group("members", fields={"remote_id": "Id"})),
    ("writeback", {"writeback": []}), ("writeback", {"writeback": None}), ("writeback.printed", write(kind="printed")),
    ("writeback.unsubscribe.arguments", write({"at": "{occurred_at}"})),
    ("writeback.unsubscribe.arguments", write({"id": "{remote_id}", "x": "{password}"})),
    ("writeback.unsubscribe.result", write(result="x")), ("writeback.unsubscribe.operation", write(operation="")),
    ("writeback.field_changed.arguments", write({"id": "{remote_id}", "v": "{value}"}, "field_changed")),
    ("check.arguments", {"check": {"operation": "Ping", "arguments": {"a": "{since}"}}}),
    ("faults.gone", {"faults": {"gone": []}}), ("faults.away", {"faults": {"away": "Busy"}}),
    ("timeout_s", {"timeout_s": 0}), ("timeout_s", {"timeout_s": 101}), ("user", {"user": "ams"}),
])
def test_bad_ones_name_the_key_and_the_remedy(key, change):
    with pytest.raises(GatewayError) as caught:
        registry.check("soap", {**GOOD, **change})
    assert (caught.value.code, caught.value.field) == ("INVALID_VALUE", key)
    assert key in caught.value.message
    assert SECRET not in caught.value.message
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_bridge_does_not_show_its_secrets():
    for auth in (GOOD["auth"], {"kind": "header", "name": "{urn:x}Key", "value": {"Key": SECRET}}):
        bridge = registry.make("soap", {**GOOD, "auth": auth})
        assert SECRET not in repr(bridge) + repr(vars(bridge))
        bridge.close()
