"""The compatible face over raw sockets: what old .NET programs really send (PUSH-1..4, section 8, PUSH-104)."""

import gzip
import json
import socket
import time

import pytest

from gateway.push.schemas.compatible import CONTACTS_EXAMPLE, LISTS_EXAMPLE

ELEMENT = {"ContactDetails": {"ContactId": "K-1", "PrimaryEmailAddress": "zoe@example.org", "FirstName": "Zoë",
                              "LastName": "Ö"}}
TEXT = json.dumps([ELEMENT], ensure_ascii=False)
BODY = TEXT.encode()


class Wire:
    """One connection; requests are written byte for byte, answers are read whole."""

    def __init__(self, house, key):
        self.key = key
        self.sock = socket.create_connection(("127.0.0.1", house.port), timeout=20)
        self.file = self.sock.makefile("rb")

    def head(self, *more, method="POST", path="/v2/contactinfo", version="1.1", content_type="application/json",
             key_header="ApiKey"):
        lines = [f"{method} {path} HTTP/{version}", "Host: localhost", f"{key_header}: {self.key}", *more]
        if content_type is not None:
            lines.append(f"Content-Type: {content_type}")
        self.sock.sendall("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n")

    def post(self, body, *more, **head):
        self.head(f"Content-Length: {len(body)}", *more, **head)
        self.sock.sendall(body)
        return self.answer()

    def answer(self):
        status = int(self.file.readline().split()[1])
        headers = {}
        while line := self.file.readline().strip():
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        body = self.file.read(int(headers.get("content-length", 0)))
        if status == 100:
            return status, headers, None
        assert headers["content-type"] == "application/json", (status, body[:300])
        value = json.loads(body)
        assert headers["x-request-id"] == value["requestId"]
        return status, headers, value

    def close(self):
        self.file.close()
        self.sock.close()


@pytest.fixture
def wire(house):
    made = Wire(house, house.key())
    yield made
    made.close()


def chunked(data, size):
    return b"".join(b"%x\r\n%s\r\n" % (len(data[at:at + size]), data[at:at + size])
                    for at in range(0, len(data), size)) + b"0\r\n\r\n"


def test_media_types(wire):
    """PUSH-3, PUSH-80, PUSH-86."""
    for taken in ("application/json", "text/json", "TEXT/JSON; charset=utf-8", 'application/json; charset="UTF-8"'):
        assert wire.post(BODY, content_type=taken)[2]["count"] == 1
    for other in ("text/plain", "application/xml", "application/json; charset=iso-8859-1", None):
        assert wire.post(BODY, content_type=other)[0] == 415


@pytest.mark.parametrize(("codec", "content_type"), [
    ("utf-8-sig", "application/json"), ("utf-16", "text/json"), ("utf-16-le", "application/json; charset=utf-16"),
    ("utf-16-be", "text/json; charset=utf-16be")])
def test_marks_and_utf_16(wire, call, codec, content_type):
    """PUSH-87: .NET callers send byte order marks and UTF-16."""
    assert wire.post(TEXT.encode(codec), content_type=content_type)[2]["created"] == 1
    assert call.fields("K-1") == {"FirstName": "Zoë", "LastName": "Ö"}


@pytest.mark.parametrize("packed", [False, True])
def test_ways_of_sending(house, wire, packed):
    """PUSH-4, PUSH-104: with length, in chunks, after 100-continue, over HTTP/1.0, packed or not."""
    data = gzip.compress(BODY) if packed else BODY
    more = ["Content-Encoding: gzip"] if packed else []
    assert wire.post(data, *more)[2]["created"] == 1
    wire.head("Transfer-Encoding: chunked", *more)
    wire.sock.sendall(chunked(data, 7))
    assert wire.answer()[2]["unchanged"] == 1
    wire.head(f"Content-Length: {len(data)}", "Expect: 100-continue", *more)
    assert wire.answer()[0] == 100
    wire.sock.sendall(data)
    assert wire.answer()[2]["unchanged"] == 1
    assert wire.post(data, *more, version="1.0")[2]["unchanged"] == 1
    wire.close()


def test_names_of_headers_in_any_case(wire):
    """PUSH-1, PUSH-104."""
    for name in ("ApiKey", "apikey", "APIKEY", "X-Api-Key", "x-API-key"):
        assert wire.post(BODY, key_header=name)[2]["count"] == 1


def test_paths_as_callers_put_them_together(wire):
    """The vendor's server does not care for letter case, and a base URL of a setting may end with a slash."""
    for path in ("/v2/ContactInfo", "/v2/contactinfo/", "/v2//contactinfo", "/v2/contactinfo?detail=none"):
        assert wire.post(BODY, path=path)[2]["count"] == 1
    for path in ("/v2", "/v2/", "/v2/contacts", "/v2/contactinfo/x", "/v2/contactinfo%00"):
        status, _, body = wire.post(BODY, path=path)
        assert (status, body["code"]) == (404, "NOT_FOUND")


def test_other_methods(call):
    """PUSH-15: 405 with Allow."""
    for path in ("/v2/contactinfo", "/v2/list", "/v2/meeting", "/v2/product"):
        for method in ("GET", "PUT", "PATCH", "DELETE", "OPTIONS"):
            answer = call(method, path)
            assert (answer.status, answer.json["code"], answer.headers["allow"]) == (405, "METHOD_NOT_ALLOWED", "POST")


def test_what_means_nothing_to_mailing(house, call):
    """PUSH-18: any element, authenticated, then 501; a stranger gets 401."""
    for path in ("/v2/meeting", "/v2/product", "/v2/Meeting/"):
        for body in (b"[{}]", b"", b"{"):
            answer = call("POST", path, body, {"Content-Type": "application/json"})
            assert (answer.status, answer.json["code"], answer.json["retryable"]) == (501, "NOT_SUPPORTED", False)
        assert house.caller_with("").push(path, [{}]).status == 401


def test_strangers_get_one_answer(house, call):
    """PUSH-1: missing, wrong, in the URL, two that differ: the same words; nothing is stored."""
    key = call.key
    tries = [("/v2/contactinfo", {}), ("/v2/contactinfo", {"ApiKey": "wrong"}),
             ("/v2/contactinfo", {"ApiKey": key, "X-Api-Key": "other"}), (f"/v2/contactinfo?apikey={key}", {}),
             (f"/v2/list?ApiKey={key}", {"ApiKey": key}), ("/v2/nowhere", {})]
    stranger = house.caller_with("")
    answers = [stranger("POST", path, BODY, {"Content-Type": "application/json", **headers})
               for path, headers in tries]
    assert {answer.status for answer in answers} == {401}
    assert len({json.dumps(answer.json | {"requestId": ""}) for answer in answers}) == 1
    assert house.count("subscriber") == 0
    bearer = {"Authorization": f"Bearer {key}", "Content-Type": "text/json"}
    assert stranger("POST", "/v2/list", b"[]", bearer).status == 200


MALFORMED = [
    b"", b"{", b"[" * 100_000, b"[" * 17 + b"]" * 17, b"[NaN]", b"[Infinity]", b"[1e999]", b"[" + b"9" * 10_000 + b"]",
    b'[{"ContactDetails":{"ContactId":"1","ContactId":"2"}}]', b'["\xff"]', TEXT.encode("utf-16")[:-1], b"[] []"]


@pytest.mark.parametrize("path", ["/v2/contactinfo", "/v2/list"])
def test_malformed(house, wire, path):
    """PUSH-15, PUSH-79, PUSH-88..90, PUSH-95: 400, and nothing is stored; the body is an array, the message says so."""
    for body in MALFORMED:
        status, _, answer = wire.post(body, path=path)
        assert (status, answer["code"], answer["success"], answer["count"]) == (400, "MALFORMED_REQUEST", False, 0)
    for body in (b"{}", b'"x"', b"null", b"1", json.dumps(ELEMENT).encode(), b'{"records": []}'):
        status, _, answer = wire.post(body, path=path)
        assert (status, answer["code"], "array" in answer["errorMessage"]) == (400, "INVALID_REQUEST", True)
    assert house.count("upload") == 0


def test_too_many_and_too_much(house, wire):
    """PUSH-15, PUSH-82: 1,000 are taken, 1,001 are not; the answer names the bulk path."""
    people = [{"ContactDetails": {"ContactId": n, "PrimaryEmailAddress": f"p{n}@example.org"}} for n in range(1001)]
    status, _, answer = wire.post(json.dumps(people).encode())
    assert (status, answer["code"], house.count("subscriber")) == (413, "TOO_MANY_RECORDS", 0)
    assert "/push/v1/imports" in answer["errorMessage"]
    status, _, answer = wire.post(json.dumps(people[:1000]).encode())
    assert (status, answer["created"]) == (200, 1000)
    wire.head(f"Content-Length: {9 * 1024**2}")
    wire.sock.sendall(b" " * (9 * 1024**2))
    assert wire.answer()[0] == 413


def test_unknown_parameters(call):
    """PUSH-79: a word that means something elsewhere is refused, not ignored."""
    for query in ("dryRun=true", "mode=Remove", "detail=some", "detail=all&detail=none"):
        assert call.push(f"/v2/contactinfo?{query}", []).status == 400


def test_a_body_that_breaks_off_changes_nothing(house, call):
    """PUSH-11: the connection ends in the middle."""
    broken = Wire(house, call.key)
    broken.head(f"Content-Length: {len(BODY)}")
    broken.sock.sendall(BODY[:-1])
    broken.close()
    assert call.contacts().status == 200
    assert house.count("subscriber") == 0


def test_kept_connections_cost_nothing_extra(house, wire):
    """PUSH-99: one record a call from a timer; hundreds in a row over one connection."""
    started = time.monotonic()
    for n in range(200):
        body = json.dumps([{"ContactDetails": {"ContactId": n % 50, "PrimaryEmailAddress": f"p{n % 50}@x.org"}}])
        assert wire.post(body.encode())[0] == 200
    assert time.monotonic() - started < 60
    assert house.count("subscriber") == 50


@pytest.mark.parametrize(("path", "value"), [("/v2/contactinfo", CONTACTS_EXAMPLE), ("/v2/list", LISTS_EXAMPLE)])
def test_the_examples_of_the_document(call, path, value):
    """PUSH-105: examples are really sent."""
    assert call.push(path, value).status == 200
