"""Does the bridge to REST interfaces cope with what real ones do, and with what hostile ones could?"""

import datetime as dt
import socket
import threading
import time
from contextlib import closing

import pytest

from gateway.bridges.http.bridge import HttpBridge
from gateway.bridges.port import Outage, Refused, WritebackItem
from gateway.clock import UTC, instant, system_clock
from gateway.db.queries import events
from gateway.domain.accounts import system_actor
from gateway.domain.events import NewEvent
from gateway.domain.records import Identifier
from gateway.services import integrations, subscribers, sync, writebacks
from tests.support.http_ams import KEY, PAGINGS, SECRET, HttpAms, certified
from tests.support.world import World

AT = dt.datetime(2026, 1, 15, 12, tzinfo=UTC)
ITEM = WritebackItem(7, "unsubscribe", "17", "ann@example.org", AT, "link", "no more")


@pytest.fixture
def ams():
    with closing(HttpAms()) as made:
        yield made


def listed(ams, since=None, **change):
    with closing(ams.bridge(**change)) as bridge, closing(bridge.changed_since(since)) as stream:
        return list(stream)


def answering(status, value=None, **headers):
    """A trick: another answer."""
    return lambda handler: handler.answer(status, value, **headers) or True


def with_members(ams, **change):
    return {**ams.config["members"], **change}


@pytest.mark.parametrize("paging", PAGINGS)
@pytest.mark.parametrize("count", [1, 2, 6, 7])
def test_every_page_is_read_whatever_the_paging(paging, count):
    """A page that is shorter than asked for is not the last one."""
    with closing(HttpAms(paging)) as ams:
        ams.put_many(count)
        with closing(ams.bridge()) as bridge, closing(bridge.changed_since(None)) as stream:
            assert [m.remote_id for m in stream] == [str(n) for n in range(count)]
            assert stream.complete


def test_a_server_that_gives_smaller_pages_than_asked_for_loses_nobody(ams):
    ams.put_many(5)
    paging = {"kind": "offset", "parameter": "offset"}  # it then gives two at a time
    assert len(listed(ams, members=with_members(ams, paging=paging))) == 5


@pytest.mark.parametrize("change", [
    {"kind": "page", "parameter": "pagge"}, {"kind": "offset", "parameter": "of"}, {"kind": "next", "path": "self"},
    {"kind": "next", "path": "data"}])
def test_a_list_that_turns_in_circles_is_refused(ams, change):
    ams.put_many(3)
    if change.get("path") == "self":
        ams.tricks = [answering(200, {"data": [], "self": "/api/members?of=all"})]
    with pytest.raises(Refused):
        listed(ams, members=with_members(ams, paging=change))


def test_a_list_that_ends_before_its_total_is_an_outage(ams):
    """ID-69: the rest is not absent."""
    ams.put_many(4)
    ams.tricks = [lambda h: False, answering(200, {"data": [], "total": 4})]
    with closing(ams.bridge()) as bridge, closing(bridge.changed_since(None)) as stream:
        with pytest.raises(Outage):
            list(stream)
        assert not stream.complete


@pytest.mark.parametrize("where", ["http://127.0.0.1:9/api/members", "//127.0.0.1:9/x", "https://127.0.0.1/x", "file:///etc",
                                   "http://[broken", "http://127.0.0.1:99999/", "http://evil\\@127.0.0.1:9/"])
def test_neither_a_page_nor_a_redirect_leads_to_another_system(ams, where):
    """What answers could otherwise make us send the key elsewhere."""
    ams.put("17", "ann@example.org")
    ams.tricks = [answering(200, {"data": [], "links": {"next": where}})]
    with pytest.raises(Refused):
        listed(ams, members=with_members(ams, paging=PAGINGS["next"]))
    ams.tricks = [answering(302, {}, Location=where)]
    with pytest.raises(Refused):
        listed(ams)


def test_redirects_within_the_system_are_followed_but_a_write_only_where_it_stays_one(ams):
    ams.put("17", "ann@example.org")
    ams.tricks = [answering(301, {}, Location="/api/members?of=all&page=1&size=2")]
    assert len(listed(ams)) == 1
    with closing(ams.bridge()) as bridge:
        ams.tricks = [answering(307, {}, Location="/api/members/17")]
        bridge.write_back(ITEM)
        assert ams.row("17")["no_mail"] == 1
        ams.tricks = [answering(302, {}, Location="/api/members/17")]
        with pytest.raises(Refused):
            bridge.write_back(ITEM)
    for trick in (answering(302, {}, Location="/api/members"),
                  lambda handler: handler.raw(302, b"a" * (17 << 20), Location="/") or True):
        ams.tricks = [trick] * 7
        with pytest.raises(Refused):
            listed(ams)


@pytest.mark.parametrize(("status", "error"), [
    (500, Outage), (503, Outage), (429, Outage), (408, Outage), (401, Outage), (400, Refused), (403, Refused),
    (404, Refused), (409, Refused), (422, Refused), (304, Refused)])
def test_what_a_status_means_and_that_no_text_shows_what_was_said(ams, status, error):
    """ID-60."""
    calls = [lambda b: b.write_back(ITEM), lambda b: list(b.changed_since(None))]
    for call in calls if status == 404 else [*calls, lambda b: b.members_by_id(["17"], 2.0)]:
        body = b"" if status == 304 else f"your key {KEY} for ann@example.org".encode()
        ams.tricks = [lambda handler, body=body: handler.raw(status, body) or True]
        with closing(ams.bridge()) as bridge, pytest.raises(error) as caught:
            call(bridge)
        assert str(status) in str(caught.value)
        assert not any(secret in str(caught.value) for secret in (KEY, "ann@", "127.0.0.1"))


def test_a_list_waits_as_long_as_a_busy_system_asks_for(ams):
    ams.put_many(3)
    ams.tricks = [lambda h: False, answering(429, {}, Retry_After="0"), answering(503, {}, Retry_After="0")]
    assert len(listed(ams)) == 3
    ams.tricks = [answering(429, {}, Retry_After="0")] * 6
    with pytest.raises(Outage):
        listed(ams)
    ams.tricks = [answering(429, {}, Retry_After="86400")]
    with pytest.raises(Outage):
        listed(ams)


def test_a_token_is_fetched_once_and_once_more_when_it_does_not_count(ams):
    ams.put_many(3)
    with closing(HttpBridge.from_config(ams.oauth)) as bridge:
        assert len(list(bridge.changed_since(None))) == 3
        bridge.check()
        assert ams.paths().count("POST /token") == 1
        ams.tokens = ["another"]  # ours was revoked
        bridge.write_back(WritebackItem(1, "unsubscribe", "1", "m1@example.org", AT))
        assert ams.paths()[-3:] == ["PATCH /members/1", "POST /token", "PATCH /members/1"]
        ams.tricks = [answering(401), lambda h: False, answering(401)]
        with pytest.raises(Outage):
            bridge.check()
        assert ams.paths().count("POST /token") == 3


def test_a_token_that_is_over_is_not_sent(ams):
    with closing(HttpBridge.from_config({**ams.oauth, "auth": {**ams.oauth["auth"], "send": "body"}})) as bridge:
        for seconds in (0, "0", -5):
            ams.tokens = ["t"]
            ams.tricks = [answering(200, {"access_token": "t", "expires_in": seconds})]
            bridge.check()
        assert ams.paths() == ["POST /token", "GET /ping"] * 3


@pytest.mark.parametrize("value", [[], {}, {"access_token": None}, {"access_token": "a b"},
                                   {"access_token": "a\r\nX: y"}, {"access_token": "\u00e4"}, {"access_token": ""}])
def test_a_token_service_that_gives_no_token_is_an_outage(ams, value):
    ams.tricks = [answering(200, value)]
    with closing(HttpBridge.from_config(ams.oauth)) as bridge, pytest.raises(Outage):
        bridge.check()
    wrong = {**ams.oauth, "auth": {**ams.oauth["auth"], "client_secret": "wrong"}}
    with closing(HttpBridge.from_config(wrong)) as bridge, pytest.raises(Outage) as caught:
        bridge.check()
    assert SECRET not in str(caught.value) and "wrong" not in str(caught.value)


def half(handler):
    handler.raw(200, b'{"data": [', Content_Length="4000")
    handler.close_connection = True
    return True


def chunked_half(handler):
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b'fff\r\n{"data": []}')
    handler.close_connection = True
    return True


def silent(handler):
    handler.close_connection = True
    return True


@pytest.mark.parametrize("trick", [half, chunked_half, silent])
def test_half_an_answer_is_an_outage(ams, trick):
    ams.put("17", "ann@example.org")
    ams.tricks = [trick]
    with pytest.raises(Outage):
        listed(ams)
    ams.tricks = [trick]
    with closing(ams.bridge()) as bridge, pytest.raises(Outage):
        bridge.write_back(ITEM)


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n["])
def test_an_answer_that_trickles_is_given_up_in_time(start):
    """A limit of a socket begins anew with every byte; ours does not."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def trickle():
            with listener.accept()[0] as sock:
                sock.recv(1 << 16)
                sock.sendall(start)
                try:
                    while start and not over.wait(0.05):
                        sock.sendall(b" ")
                    over.wait(60)
                except OSError:
                    return

        thread = threading.Thread(target=trickle)
        thread.start()
        config = {"url": f"http://127.0.0.1:{listener.getsockname()[1]}", "timeout_s": 1,
                  "members": {"path": "/", "fields": {"remote_id": "id", "email": "mail"}},
                  "writeback": {"unsubscribe": {"path": "/{remote_id}"}}}
        began = time.monotonic()
        with closing(HttpBridge.from_config(config)) as bridge, pytest.raises(Outage) as caught:
            list(bridge.changed_since(None))
        over.set()
        thread.join(60)
    assert time.monotonic() - began < 30 and "in time" in str(caught.value)


@pytest.mark.parametrize("body", [
    b"<html>login</html>", b"", b"[" * 100_000, b'{"data": ' + b"[" * 60 + b"]" * 60 + b"}", b'{"data": {}}', b"null",
    b"7", b'{"data": [' + b"9" * 5000 + b"]}", b"\xff\xfe", b'"' + b"a" * (17 << 20) + b'"'])
def test_an_answer_that_is_no_list_is_refused(ams, body):
    """Of a bounded size and depth, JSON, and of the shape that was configured."""
    ams.tricks = [lambda handler: handler.raw(200, body) or True]
    with pytest.raises(Refused):
        listed(ams)


def test_a_compressed_answer_is_refused(ams):
    """Nobody asked for it, and it may unfold to any size."""
    ams.tricks = [lambda handler: handler.raw(200, b"x", Content_Encoding="gzip") or True]
    with pytest.raises(Refused):
        listed(ams)


@pytest.mark.parametrize("change", [
    {"id": {"$gt": 0}}, {"contact": {"email": ["a@example.org"]}}, {"flags": {"noMail": "maybe"}}, {"groups": [["x"]]},
    {"groups": {"a": 1}}, {"id": "a\u0000b"}, {"contact": {"email": "\ud800@example.org"}}, {"gone": 7}])
def test_a_member_that_cannot_be_read_is_a_problem_of_its_row(ams, change):
    ams.put("17", "ann@example.org", 0, "Gold")
    ams.put("18", "bo@example.org")
    ams.people[0] |= change
    first, second = listed(ams)
    assert first.problem is not None and first.problem.code == "INVALID_VALUE"
    assert (second.remote_id, second.problem) == ("18", None)


def test_members_that_are_no_objects_have_no_remote_id(ams):
    ams.tricks = [answering(200, {"data": [7, "x", None, []]})]
    assert [m.remote_id for m in listed(ams, members=with_members(ams, paging=None))] == [None] * 4


def test_where_values_stand(ams):
    """Paths into lists, the opposite of a flag, and what is missing, which says nothing."""
    fields = {"remote_id": "no", "email": "mails.1.address", "do_not_email": "!mailing", "interests": "groups.*.name",
              "deleted": "!active"}
    ams.tricks = [answering(200, {"data": [
        {"no": 17.0, "mails": [{}, {"address": "ann@example.org"}], "mailing": False, "groups": [{"name": "Gold"}],
         "active": True},
        {"no": "018", "mails": [], "mailing": None, "groups": None, "active": "no"}]})]
    found = listed(ams, members={"path": "/members", "items": "data", "fields": fields})
    assert [(m.remote_id, m.email, m.do_not_email, m.interests, m.deleted) for m in found] == [
        ("17", "ann@example.org", True, ("Gold",), False), ("018", None, None, None, True)]


def test_changes_are_asked_for_with_an_overlap_and_never_list_everybody(ams):
    """ID-68: ten minutes; the moment is that of the first page, and a list of changes ends no link."""
    ams.put_many(3)
    before = system_clock()
    with closing(ams.bridge()) as bridge:
        with closing(bridge.changed_since(None)) as stream:
            assert stream.cursor is None
            list(stream)
            cursor = stream.cursor
        asked, everybody = (dt.datetime.fromisoformat(each) for each in cursor.split(" "))
        assert asked == everybody and before - dt.timedelta(seconds=2) <= asked <= system_clock()
        ams.people[1]["changed"] = "9999"
        with closing(bridge.changed_since(cursor)) as stream:
            assert [m.remote_id for m in stream] == ["1"]
            assert not stream.complete and not stream.lists_everybody
            assert stream.cursor.split(" ")[1] == instant(everybody)
    (path,) = {path for path in ams.paths() if "changed_since" in path and "page=1" in path}
    since = (asked - dt.timedelta(minutes=10)).strftime("%Y-%m-%dT%H:%M:%SZ").replace(":", "%3A")
    assert path == f"GET /members?of=all&changed_since={since}&size=2&page=1"


def test_a_clock_of_theirs_that_is_ahead_skips_no_change(ams):
    ams.put("17", "ann@example.org")
    ams.tricks = [lambda h: h.raw(200, b'{"data": [{"id": 17}]}', Date="Fri, 01 Jan 2100 00:00:00 GMT") or True]
    with closing(ams.bridge(members=with_members(ams, paging=None))) as bridge, \
            closing(bridge.changed_since(None)) as stream:
        list(stream)
    assert dt.datetime.fromisoformat(stream.cursor.split(" ")[0]) <= system_clock()


def test_a_cursor_is_refused_where_the_system_or_its_age_says_so(ams):
    """ID-68: a full run follows; ID-66: weekly in any case."""
    now = system_clock()
    good, old = instant(now), instant(now - dt.timedelta(days=7))
    with closing(ams.bridge()) as bridge:
        ams.tricks = [answering(410)]
        with pytest.raises(Refused):
            bridge.changed_since(f"{good} {good}")
        asked = len(ams.asked)
        for cursor in (f"{good} {old}", good, f"{good[:-1]} {good[:-1]}", "x y", ""):
            with pytest.raises(Refused):
                bridge.changed_since(cursor)
        assert len(ams.asked) == asked
        with closing(bridge.changed_since(f"{old} {good}")) as stream:
            assert list(stream) == []
    with closing(ams.bridge(members=with_members(ams, since=None))) as bridge, pytest.raises(Refused):
        bridge.changed_since(f"{good} {good}")


def test_single_people_by_one_request(ams):
    ams.put_many(4)
    lookup = {"path": "/members", "parameter": "ids", "items": "data"}
    with closing(ams.bridge(members_by_id=lookup)) as bridge:
        assert [m.remote_id for m in bridge.members_by_id(["1", "3", "9"], 2.0)] == ["1", "3"]
        assert ams.paths() == ["GET /members?ids=1%2C3%2C9"]
    with closing(ams.bridge(members_by_id=None)) as bridge, pytest.raises(Refused):
        bridge.members_by_id(["1"], 2.0)


def test_a_remote_id_is_one_piece_of_an_address(ams):
    """Whoever chooses their number in the AMS chooses no other request."""
    for remote_id in ("17/../18", "18?x=1", "a b%2F#", "é"):
        with closing(ams.bridge()) as bridge:
            assert bridge.members_by_id([remote_id], 2.0) == []
    for remote_id in ("..", "."):
        with closing(ams.bridge()) as bridge, pytest.raises(Refused):
            bridge.write_back(WritebackItem(1, "unsubscribe", remote_id, "", AT))
    assert ams.paths() == ["GET /members/17%2F..%2F18", "GET /members/18%3Fx%3D1", "GET /members/a%20b%252F%23",
                           "GET /members/%C3%A9"]


def test_a_write_carries_what_the_template_says_and_its_key(ams):
    ams.put("17", "ann@example.org")
    sent = []
    ams.tricks = [lambda h: sent.append((h.command, h.path, h.sent)) or h.answer(204) or True]
    body = {"a": ["{writeback_id}", "{code}", "n{code}{origin}", 7, None], "{x": "{occurred_at}"}
    call = {"method": "PUT", "path": "/m/{remote_id}?at={occurred_at}", "body": body}
    with closing(ams.bridge(writeback={"unsubscribe": call})) as bridge:
        bridge.write_back(ITEM)
        with pytest.raises(Refused):
            bridge.write_back(WritebackItem(1, "bad_email", "17", "", AT))
    assert sent == [("PUT", "/api/m/17?at=2026-01-15T12%3A00%3A00.000Z",
                     b'{"a": [7, null, "nlink", 7, null], "{x": "2026-01-15T12:00:00.000Z"}')]
    assert (ams.headers[0]["Idempotency-Key"], ams.headers[0]["X-Api-Key"]) == ("gateway-7", KEY)


def test_of_the_answer_to_a_write_only_the_status_counts(ams):
    """ID-62: what is stored there is not sent three times more because the answer is long or compressed."""
    ams.tricks = [lambda handler: handler.raw(200, b"x" * (17 << 20), Content_Encoding="gzip") or True]
    with closing(ams.bridge()) as bridge:
        bridge.write_back(ITEM)
        ams.tricks = [lambda handler: handler.raw(200, b"x", Content_Encoding="gzip") or True]
        bridge.check()
    assert ams.tricks == []


def test_a_certificate_that_nobody_vouches_for_is_an_outage_before_anything_is_sent(tmp_path):
    context, pem = certified(tmp_path)
    with closing(HttpAms(tls=context)) as ams:
        ams.put("17", "ann@example.org")
        with closing(ams.bridge()) as bridge, pytest.raises(Outage) as caught:
            bridge.write_back(ITEM)
        assert "certificate" in str(caught.value) and ams.asked == []
        with closing(ams.bridge(url=ams.origin.replace("127.0.0.1", "localhost") + "/api", ca_file=str(pem))) as bridge:
            with pytest.raises(Outage):  # it vouches for another name
                bridge.check()
        with closing(ams.bridge(ca_file=str(pem))) as bridge:
            bridge.write_back(ITEM)
            assert len(list(bridge.changed_since(None))) == 1 and ams.row("17")["no_mail"] == 1


def test_a_cookie_is_not_kept_and_the_environment_is_not_heeded(ams, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with closing(ams.bridge()) as bridge:
        ams.tricks = [lambda h: h.raw(200, b"{}", Set_Cookie="a=b; Path=/") or True]
        bridge.check()
        bridge.check()
    assert "Cookie" not in ams.headers[-1]


@pytest.fixture
def world(sqlite_url, clock, tmp_path):
    with World(sqlite_url, clock, tmp_path / "world", brands=(1,)) as made:
        yield made


def test_from_the_first_sync_to_an_unsubscribe_and_a_deletion(ams, world):
    """ID-65, ID-68, ID-69, ID-53: the whole way, and a sync that reads changes only."""
    ams.put("17", "ann@example.org", 0, "Gold")
    ams.put("18", "bo@example.org", 1)
    ams.put("19", "cy@example.org")
    with world.gateway.unit(system_actor(1)) as unit:
        made = integrations.add(unit, "ams", "http", ams.oauth)
    assert sync.run(world.gateway, 1, made, full=False).counters["new"] == 3
    ams.people[1] |= {"changed": "9999", "contact": {"email": "bo@new.example.org"}}
    ams.drop("19")
    report = sync.run(world.gateway, 1, made, full=False)
    assert (report.state, report.full, report.counters["read"], report.counters["changed"]) == ("success", False, 1, 1)
    with world.gateway.unit(system_actor(1)) as unit:
        event_id = events.add(unit.connection, 1, NewEvent("unsubscribed", unit.now, "u"), unit.now)
        writebacks.queue(unit, kind="unsubscribe", event_id=event_id, email="ann@example.org",
                         payload={"origin": "link", "reason": "too much"})
    writebacks.run_writebacks(world.gateway, 1, made)
    assert (ams.row("17")["no_mail"], ams.row("17")["reason"], ams.row("17")["changed_at"]) == (
        1, "link: too much", "2026-01-15T12:00:00.000Z")
    report = sync.run(world.gateway, 1, made, full=True)
    assert (report.state, report.counters["swept"], report.counters["flagged"]) == ("success", 1, 1)
    with world.reading(world.actor("ams")) as unit:
        assert "orphan" in subscribers.get(unit, Identifier(remote_id="19")).blocked_by
