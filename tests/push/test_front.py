"""What does a caller hear when HTTP itself is broken, before any door sees the request? (PUSH-12)"""

import json
import socket

import pytest

from tests.support.installation import Installation


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A real server."""
    with Installation(tmp_path_factory.mktemp("front")) as made:
        made.brand()
        made.serve("--no-worker", ready=False)
        yield made


def ask(place, raw):
    """Status, headers and body of a request given byte by byte."""
    with socket.create_connection(("127.0.0.1", place.port), timeout=30) as connection:
        connection.sendall(raw)
        data = b""
        while block := connection.recv(65536):
            data += block
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return int(first.split()[1]), {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}, body


@pytest.mark.parametrize(("raw", "status", "code"), [
    (b"POST /push/v1/subscribers HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n", 400, "MALFORMED_REQUEST"),
    (b"POST /push/v1/subscribers HTTP/1.1\r\nHost: x\r\nBad header\r\n\r\n", 400, "MALFORMED_REQUEST"),
    (b"POST /push/v1/imports HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999999\r\n\r\n", 413, "TOO_LARGE"),
    (b"POST /push/v1/imports HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: br\r\n\r\n", 501, "NOT_SUPPORTED"),
    (b"POST /push/v1/imports HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400,
     "MALFORMED_REQUEST"),
    (b"GET /push/v1/imports HTTP/1.1\r\nHost: x\r\nX: ".ljust(65536, b"x"), 431, "MALFORMED_REQUEST"),
])
def test_what_http_refuses_is_told_in_json(place, raw, status, code):
    """PUSH-12: every answer is JSON, also from the server in front of the routes; X-Request-Id equals requestId."""
    found, headers, body = ask(place, raw)
    told = json.loads(body)
    assert (found, told["code"], told["success"]) == (status, code, False)
    assert headers["x-request-id"] == told["requestId"] and headers["content-type"] == "application/json"
