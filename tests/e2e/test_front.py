"""What does a caller hear when HTTP itself is broken, before any door sees the request? (PUSH-12, SOAP-10)"""

import json
import socket
import subprocess
import sys
from contextlib import closing
from http.client import HTTPConnection

import pytest
from lxml import etree

from tests.support.installation import Installation, clean_environ
from tests.support.waiting import wait_for


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


@pytest.mark.parametrize(("kind", "status", "fault"), [
    ("text/xml", 413, "{http://schemas.xmlsoap.org/soap/envelope/}Fault"),
    ("application/soap+xml", 413, "{http://www.w3.org/2003/05/soap-envelope}Fault"),
    ("", 413, "{http://schemas.xmlsoap.org/soap/envelope/}Fault"),
])
def test_what_http_refuses_is_a_fault_at_the_soap_door(place, kind, status, fault):
    """SOAP-10, SOAP-12, SOAP-74: a body over every limit, and one whose chunks are none; other paths stay JSON."""
    head = f"POST /soap/v1 HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\n"
    for how, expected, code in (("Content-Length: 9999999999\r\n\r\n", status, "TOO_LARGE"), (
            "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400 if "soap+xml" in kind else 500, "MALFORMED_REQUEST")):
        found, headers, body = ask(place, (head + how).encode())
        told = etree.fromstring(body)
        assert (found, told[-1][0].tag) == (expected, fault)
        assert told.findtext(".//{urn:gateway:v1}code") == code
        assert told.findtext(".//{urn:gateway:v1}requestId") == headers["x-request-id"]
    assert json.loads(ask(place, b"POST /soap/v10 HTTP/1.1\r\nContent-Length: 9999999999\r\n\r\n")[2])["code"] == (
        "TOO_LARGE")


@pytest.mark.parametrize("path", ["/v2/contactinfo", "/V2/ContactInfo", "//v2//list/"])
def test_the_compatible_face_is_there_in_any_spelling(place, path):
    """PUSH-12, PUSH-16: who has no key hears so in JSON, not that the page is missing."""
    status, text = place.fetch("POST", path, b"[]", {"Content-Type": "application/json"})
    assert (status, json.loads(text)["code"]) == (401, "NOT_AUTHENTICATED")


SLOW_SERVER = """
import pathlib, sys, time
from gateway import server
folder = pathlib.Path(sys.argv[1])

def app(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        (folder / "inside").touch()
        while not (folder / "go").exists():
            time.sleep(0.01)
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]

sock = server.listen("127.0.0.1", 0)
(folder / "port.part").write_text(str(sock.getsockname()[1]))
(folder / "port.part").rename(folder / "port")
server.serve(app, sock)
"""


def test_a_server_that_is_stopping_finishes_and_sends_away(tmp_path):
    """PUSH-13, PUSH-84: what is in hand is finished; what comes while it drains is 503 with Retry-After."""
    process = subprocess.Popen([sys.executable, "-c", SLOW_SERVER, str(tmp_path)], env=clean_environ())
    try:
        wait_for(lambda: (tmp_path / "port").exists(), "the server")
        address = ("127.0.0.1", int((tmp_path / "port").read_text()))
        with closing(HTTPConnection(*address, timeout=30)) as slow, closing(HTTPConnection(*address)) as kept:
            kept.request("GET", "/")
            assert kept.getresponse().read() == b"ok"
            slow.request("GET", "/slow")
            wait_for(lambda: (tmp_path / "inside").exists(), "the request")
            process.terminate()

            def sent_away():
                kept.request("GET", "/")
                answer = kept.getresponse()
                body = answer.read()
                return (answer.headers, json.loads(body)) if answer.status == 503 else None

            headers, told = wait_for(sent_away, "the drain")
            assert headers["Retry-After"] == "5" and (told["code"], told["retryable"]) == ("UNAVAILABLE", True)
            (tmp_path / "go").touch()
            assert slow.getresponse().read() == b"ok"
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
