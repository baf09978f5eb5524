"""Does the bridge to REST interfaces tell values, groups and changed fields as its configuration says, and in time?"""

import datetime as dt
import threading
from contextlib import closing

import pytest

from gateway.bridges import registry
from gateway.bridges.http.bridge import HttpBridge
from gateway.bridges.http.wire import AT_ONCE
from gateway.bridges.port import Outage, Refused, RemoteGroup, WritebackItem
from gateway.clock import UTC
from gateway.errors import GatewayError
from tests.bridges.test_http_config import GOOD
from tests.support.http_ams import BY_BODY, BY_ID, BY_PARAMETER, KEY, HttpAms
from tests.support.waiting import wait_for

AT = dt.datetime(2026, 1, 15, 12, tzinfo=UTC)
WAYS = {"one by one": BY_ID, "parameter": BY_PARAMETER, "body": BY_BODY}


@pytest.fixture
def ams():
    with closing(HttpAms()) as made:
        for number in range(8):
            made.put(str(number), f"m{number}@example.org")
            made.tell(str(number), FirstName=f"Ann {number}")
        yield made


def told(ams, ids, fields=("FirstName",), timeout_s=5.0, **change):
    with closing(ams.bridge(**change)) as bridge:
        return bridge.fetch(ids, fields, timeout_s)


@pytest.mark.parametrize(("way", "asked"), [("one by one", 6), ("parameter", 3), ("body", 3)])
def test_people_are_asked_for_in_as_few_requests_as_the_system_allows(ams, way, asked):
    """ID-76. Who comes twice is asked for once, and only for the fields that are wanted."""
    values = WAYS[way] if way == "one by one" else {**WAYS[way], "size": 2}
    ids = ["1", "2", "3", "1", "nobody", "5", "6"]
    found = told(ams, ids, values=values)
    assert found == {key: {"FirstName": f"Ann {key}"} for key in ("1", "2", "3", "5", "6")}
    assert len(ams.asked) == asked
    assert told(ams, ["1"], fields=["City", "Nothing"], values=values) == {"1": {}}


@pytest.mark.parametrize("way", WAYS)
def test_nobody_gets_the_values_of_somebody_else(ams, way):
    """ID-76: what a system lists of people who were not asked for is left alone."""
    others = {"id": 2, "more": {"FirstName": "Bo"}}
    ams.tricks = [lambda h: h.answer(200, {"data": [others], "found": {"people": [others]}, **others}) or True]
    values = {**WAYS[way], "remote_id": "id"}
    assert told(ams, ["1"], values=values) == {}


def test_single_requests_run_a_few_at_a_time(ams):
    """The first four wait for one another; a fifth is not sent meanwhile."""
    together, seen = threading.Barrier(AT_ONCE), []

    def meet(_handler):
        together.wait(60)
        seen.append(len(ams.asked))
        return False

    ams.tricks = [meet] * AT_ONCE
    assert len(told(ams, [str(n) for n in range(8)], timeout_s=20.0, values=BY_ID)) == 8
    assert min(seen) == AT_ONCE and len(ams.asked) == 8


@pytest.mark.parametrize("way", WAYS)
def test_a_system_that_is_too_slow_is_given_up_in_time(ams, way):
    """ID-76: the deadline is one for all requests."""
    over = threading.Event()
    ams.tricks = [lambda h: not over.wait(30)] * 8  # then it answers, which would be no outage
    try:
        with pytest.raises(Outage):
            told(ams, [str(n) for n in range(8)], timeout_s=0.4, values=WAYS[way])
    finally:
        over.set()


@pytest.mark.parametrize(("status", "error"), [(500, Outage), (429, Outage), (403, Refused)])
@pytest.mark.parametrize("way", WAYS)
def test_one_answer_that_fails_fails_them_all(ams, way, status, error):
    """Who was not answered for must not look as if the system had nothing of them; a busy system is not waited for."""
    ams.tricks = [lambda h: h.answer(status, {"for": f"ann@example.org {KEY}"}, Retry_After="30") or True]
    with pytest.raises(error) as caught:
        told(ams, ["1", "2", "3"], values=WAYS[way])
    assert KEY not in str(caught.value) and "ann@" not in str(caught.value)


def test_an_id_that_would_climb_is_nobodys(ams):
    assert told(ams, ["..", "1", "."], values=BY_ID) == {"1": {"FirstName": "Ann 1"}}
    assert ams.paths() == ["GET /members/1"]


def test_several_requests_at_once_fetch_one_token(ams):
    """Also when the one they had is not accepted any more."""
    with closing(HttpBridge.from_config({**ams.oauth, "values": BY_ID})) as bridge:
        for _ in range(2):
            assert len(bridge.fetch([str(n) for n in range(8)], ["FirstName"], 5.0)) == 8
            ams.tokens = ["another"]
    assert ams.paths().count("POST /token") == 2


@pytest.mark.parametrize(("value", "text"), [
    ("Ann ", "Ann"), (17, "17"), (17.0, "17"), (1.5, "1.5"), (True, "yes"), (["a", 2, None, ""], "a;2"), (" ", None),
    (None, None), ({"a": 1}, None), ([], None), ([["a"]], None), ("a\0b", None), ("\ud800", None)])
def test_what_a_value_says(ams, value, text):
    """A value that is no text fails nobody's mail: it is not there."""
    ams.find("1")["more"] = {"FirstName": value}
    assert told(ams, ["1", "2"], values=BY_PARAMETER) == {
        "1": {} if text is None else {"FirstName": text}, "2": {"FirstName": "Ann 2"}}


def test_without_values_and_groups_nothing_is_offered_nor_asked(ams):
    with closing(ams.bridge(values=None, groups=None)) as bridge:
        assert bridge.fields == frozenset()
        assert (bridge.describe().fields, bridge.describe().groups) == ((), ())
        with pytest.raises(Refused):
            bridge.fetch(["1"], ["FirstName"], 2.0)
        with pytest.raises(Refused):
            bridge.group_members("7")
    assert ams.asked == []


def test_a_group_that_was_deleted_empties_nothing(ams):
    """Some systems answer for it with an empty list; then the list of groups says whether it is there."""
    ams.group("7", "Board", ["1"])
    empty = {"data": [], "total": 0}
    with closing(ams.bridge()) as bridge:
        ams.tricks = [lambda h: h.answer(200, empty) or True]
        with pytest.raises(Refused):
            bridge.group_members("8")
        ams.tricks = [lambda h: h.answer(200, empty) or True]
        with closing(bridge.group_members("7")) as stream:
            assert list(stream) == [] and stream.complete


def test_groups_of_odd_shapes(ams):
    """One without an ID is left out, one that comes twice is there once; a list without any ID is a wrong place."""
    rows = [{"id": 7, "title": {"text": "Board"}, "count": "12"}, {"id": None}, "x", {"id": {}}, {"id": True},
            {"id": "a\nb"}, {"id": 7, "title": {"text": "again"}}, {"id": "8", "title": {"text": " "}, "count": -1},
            {"id": "9", "title": ["x"], "count": 3.0}]
    once = {**ams.config["groups"], "list": {**ams.config["groups"]["list"], "paging": None}}
    with closing(ams.bridge(groups=once)) as bridge:
        ams.tricks = [lambda h: h.answer(200, {"data": rows}) or True]
        assert bridge.describe().groups == (
            RemoteGroup("7", "Board", 12), RemoteGroup("8", "8", None), RemoteGroup("9", "9", 3))
        ams.tricks = [lambda h: h.answer(200, {"data": [{"number": 7}]}) or True]
        with pytest.raises(Refused) as caught:
            bridge.describe()
    assert "groups.list.fields.group_id" in str(caught.value)


def test_the_members_of_a_group_may_stand_elsewhere_than_those_of_the_list(ams):
    """Many interfaces list the membership, and the person within it."""
    fields = {"remote_id": "person.no", "email": "person.mail"}
    groups = {"list": ams.config["groups"]["list"],
              "members": {"path": "/groups/{group_id}/members", "items": "", "fields": fields}}
    ams.tricks = [lambda h: h.answer(200, [{"person": {"no": 17, "mail": "ann@example.org"}}]) or True]
    with closing(ams.bridge(groups=groups)) as bridge, closing(bridge.group_members("7/../8")) as stream:
        assert [(m.remote_id, m.email) for m in stream] == [("17", "ann@example.org")]
    assert ams.paths() == ["GET /groups/7%2F..%2F8/members"]


def test_waiting_for_a_busy_system_ends_when_the_bridge_is_closed(ams):
    """Who stops a process need not wait two minutes."""
    ams.tricks = [lambda h: h.answer(429, {}, Retry_After="100") or True]
    said = []

    def read():
        try:
            list(bridge.changed_since(None))
        except Outage as outage:
            said.append(str(outage))

    bridge = ams.bridge()
    reader = threading.Thread(target=read)
    reader.start()
    wait_for(lambda: ams.asked, "the first request")
    bridge.close()
    reader.join(30)
    assert len(said) == 1 and not reader.is_alive()


def sent_by(ams, writeback, item):
    sent = []
    ams.tricks = [lambda h: sent.append((h.command, h.path, h.sent)) or h.answer(204) or True]
    with closing(ams.bridge(writeback={**ams.config["writeback"], **writeback})) as bridge:
        bridge.write_back(item)
    return sent[0]


def changed(field, value):
    return WritebackItem(9, "field_changed", "17", "ann@example.org", AT, field=field, value=value)


def test_a_changed_field_is_one_call_for_all_of_them(ams):
    """ID-56: the field stands in the path, in the body, or as the name of a value; a cleared one is null."""
    call = {"method": "PATCH", "path": "/m/{remote_id}/{field}", "body": {"custom": {"{field}": "{value}"}}}
    assert sent_by(ams, {"field_changed": call}, changed("Shoe size", "4{1}")) == (
        "PATCH", "/api/m/17/Shoe%20size", b'{"custom": {"Shoe size": "4{1}"}}')
    assert sent_by(ams, {"field_changed": call}, changed("Title", None))[2] == b'{"custom": {"Title": null}}'
    with closing(ams.bridge(writeback={**ams.config["writeback"], "field_changed": call})) as bridge:
        assert "field_changed" in bridge.writes and bridge.written_fields is None


def test_a_changed_field_has_a_call_of_its_own_where_the_system_wants_that(ams):
    """ID-56: a field without a call is refused, and said beforehand by ``written_fields``."""
    calls = {"Title": {"method": "PUT", "path": "/m/{remote_id}", "body": {"title": "{value}"}},
             "PATH": {"path": "/p/{remote_id}/{value}"}}
    assert sent_by(ams, {"field_changed": calls}, changed("title", "Dr")) == (
        "PUT", "/api/m/17", b'{"title": "Dr"}')
    assert sent_by(ams, {"field_changed": calls}, changed("Path", "a/b"))[:2] == ("POST", "/api/p/17/a%2Fb")
    asked = len(ams.asked)
    with closing(ams.bridge(writeback={**ams.config["writeback"], "field_changed": calls})) as bridge:
        assert bridge.written_fields == {"Title", "PATH"} and "field_changed" in bridge.writes
        with pytest.raises(Refused):
            bridge.write_back(changed("City", "Utrecht"))
    with closing(ams.bridge()) as bridge:
        assert "field_changed" not in bridge.writes
        with pytest.raises(Refused):
            bridge.write_back(changed("City", "Utrecht"))
    assert len(ams.asked) == asked


@pytest.mark.parametrize("kind", ["sent", "opened", "clicked", "bounced"])
def test_what_became_of_a_mailing_is_written(ams, kind):
    """ID-57: mailing instance, link, time."""
    call = {"path": "/m/{remote_id}/mail", "body": {"what": kind, "of": "{instance_id}", "name": "{mailing}",
                                                    "to": "{link}", "at": "{occurred_at}"}}
    item = WritebackItem(9, kind, "17", "ann@example.org", AT, instance_id=4, mailing="News & more",
                         link="https://example.org/?a=1" if kind == "clicked" else None)
    link = b'"https://example.org/?a=1"' if kind == "clicked" else b"null"
    assert sent_by(ams, {kind: call}, item) == ("POST", "/api/m/17/mail", b'{"what": "' + kind.encode() + (
        b'", "of": 4, "name": "News & more", "to": ' + link + b', "at": "2026-01-15T12:00:00.000Z"}'))


VALUES = {"path": "/people", "parameter": "ids", "remote_id": "id", "fields": {"Title": "title"}}
LIST = {"path": "/groups", "fields": {"group_id": "id", "name": "name"}}
GROUPS = {"list": LIST, "members": {"path": "/groups/{group_id}"}}


def values(**change):
    return {"values": {name: each for name, each in {**VALUES, **change}.items() if each is not None}}


def groups(name, **change):
    return {"groups": {**GROUPS, name: {**GROUPS[name], **change}}}


def change_call(value):
    return {"writeback": {**GOOD["writeback"], "field_changed": value}}


@pytest.mark.parametrize("change", [
    values(), values(path="/people/{remote_id}", parameter=None, remote_id=None), values(size=1, separator="|"),
    values(parameter=None, body={"ids": "{remote_ids}"}), {"groups": GROUPS}, {"values": None, "groups": None},
    groups("members", fields={"remote_id": "id", "email": "mail"}, items="data", paging={"kind": "next"})])
def test_good_configurations_are_taken_without_a_connection(change):
    registry.check("http", {**GOOD, **change})


@pytest.mark.parametrize(("key", "change"), [
    ("values", {"values": []}), ("values.query", values(query="x")), ("values.path", values(path="people")),
    ("values.path", values(parameter=None)), ("values.path", values(path="/people/{remote_id}")),
    ("values.path", values(body={"ids": "{remote_ids}"})), ("values.path", values(path="/p/{email}")),
    ("values.remote_id", values(remote_id=None)), ("values.remote_id", values(remote_id="")),
    ("values.fields", values(fields={})), ("values.fields", values(fields=["Title"])),
    ("values.fields", values(fields={" Title": "title"})), ("values.fields.Title", values(fields={"Title": ""})),
    ("values.fields.shoe size", values(fields={"ShoeSize": "a", "shoe size": "b"})),
    ("values.parameter", values(parameter="a&b")), ("values.size", values(size=201)), ("values.size", values(size=0)),
    ("values.body", values(parameter=None, body={"ids": "x {remote_ids}"})),
    ("values.body", values(parameter=None, body={"ids": []})),
    ("values.body", values(parameter=None, body=["{remote_ids}", "{email}"])),
    ("groups", {"groups": "x"}), ("groups.all", {"groups": {**GROUPS, "all": {}}}),
    ("groups.members", {"groups": {"list": LIST}}), ("groups.list", {"groups": {"members": GROUPS["members"]}}),
    ("groups.list.path", groups("list", path="groups")), ("groups.list.path", groups("list", path="/{group_id}")),
    ("groups.list.fields", groups("list", fields=None)),
    ("groups.list.fields.name", groups("list", fields={"group_id": "i"})),
    ("groups.list.fields.note", groups("list", fields={**LIST["fields"], "note": "x"})),
    ("groups.list.fields.size", groups("list", fields={**LIST["fields"], "size": ""})),
    ("groups.list.paging.kind", groups("list", paging={"kind": "x"})),
    ("groups.members.path", groups("members", path="/groups")), ("groups.members.item", groups("members", item="x")),
    ("groups.members.fields.email", groups("members", fields={"remote_id": "id"})),
    ("groups.members.paging.parameter", groups("members", paging={"kind": "page"})),
    ("writeback.field_changed", change_call([])), ("writeback.field_changed.path", change_call({})),
    ("writeback.field_changed", change_call({"path": "/m/{remote_id}/{field}"})),
    ("writeback.field_changed", change_call({"path": "/m/{remote_id}/{value}"})),
    ("writeback.field_changed.path", change_call({"method": "PUT"})),
    ("writeback.field_changed.Title", change_call({"Title": {"path": "/m/{remote_id}"}})),
    ("writeback.field_changed.Title", change_call({"Title": {"path": "/m/{value}"}})),
    ("writeback.field_changed.Title.path", change_call({"Title": {"method": "PUT"}})),
    ("writeback.sent", {"writeback": {**GOOD["writeback"], "sent": {"path": "/m"}}})])
def test_bad_configurations_name_the_key_and_the_remedy(key, change):
    with pytest.raises(GatewayError) as caught:
        registry.check("http", {**GOOD, **change})
    assert (caught.value.code, caught.value.field) == ("INVALID_VALUE", key)
    assert key in caught.value.message
