"""Opens and clicks over real sockets: what the server's own thread answers, and what it leaves to others (SEND-47)."""

import contextlib
import re
import socket

import pytest

from tests.support.hitload import REQUEST, seed
from tests.support.installation import Installation

URL = "https://example.org/a?x=1"


@pytest.fixture(scope="module")
def served(sqlite_template, tmp_path_factory):
    """A real server with one instance; answers it with the paths of a picture and of a link."""
    with Installation(tmp_path_factory.mktemp("served"), GATEWAY_TRUSTED_PROXIES="127.0.0.1") as made:
        made.brand(1)
        with made.services() as gateway:
            pixel, click = seed(gateway, 1, 1, (URL,))
        made.serve("--no-worker", ready=False)
        for path in (pixel, click):
            talk(made, REQUEST % path)  # the first one opens the spool
        yield made, pixel, click


def talk(installation, *pieces, half_close=True):
    """Sends the pieces one by one and reads until the server closes."""
    with socket.create_connection(("127.0.0.1", installation.port), timeout=20) as sock:
        for piece in pieces:
            sock.sendall(piece.encode("latin-1") if isinstance(piece, str) else piece)
        if half_close:
            sock.shutdown(socket.SHUT_WR)
        data = b""
        while more := sock.recv(65536):
            data += more
        return data


def spooled(installation):
    return sum(len(path.read_bytes().splitlines()) for path in (installation.folder / "data/hits").glob("*.hits"))


def test_a_picture_and_a_redirect(served):
    """SEND-47, SEND-46: never cached, no referrer, a date; the target is the frozen one."""
    installation, pixel, click = served
    before = spooled(installation)
    picture, redirect = talk(installation, REQUEST % pixel), talk(installation, REQUEST % click)
    assert picture.startswith(b"HTTP/1.1 200 OK\r\n") and picture.endswith(b"\r\n\r\n" + picture[-42:])
    assert picture[-42:].startswith(b"GIF89a") and b"Content-Length: 42\r\n" in picture
    assert redirect.startswith(b"HTTP/1.1 302 Found\r\n") and f"Location: {URL}\r\n".encode() in redirect
    for answer in (picture, redirect):
        assert b"Cache-Control: no-store" in answer and b"Referrer-Policy: no-referrer" in answer
        assert re.search(rb"Date: \w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT\r\n", answer) and b"Set-Cookie" not in answer
    assert spooled(installation) == before + 2


def test_requests_in_one_piece_and_in_many(served):
    """RFC 9112: pipelined requests are answered in order; so is one that trickles in, and one behind it."""
    installation, pixel, click = served
    first, second = REQUEST % pixel, REQUEST % click
    expected = [b"200 OK", b"302 Found"]
    for pieces in ((first + second,), (first[:9], first[9:] + second[:40], second[40:]), tuple(first + second)):
        assert re.findall(rb"HTTP/1.1 (\d+ \w+)\r\n", talk(installation, *pieces)) == expected
    mixed = talk(installation, first + "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" + second)
    assert re.findall(rb"HTTP/1.1 (\d+)", mixed) == [b"200", b"200", b"302"] and b"ok\n" in mixed


def test_head_and_close(served):
    """RFC 9110: HEAD has no body; a connection that is asked to be closed is."""
    installation, pixel, _ = served
    head = talk(installation, (REQUEST % pixel).replace("GET", "HEAD", 1))
    assert head.startswith(b"HTTP/1.1 200 OK\r\n") and head.endswith(b"\r\n\r\n") and b"Content-Length: 42" in head
    closing = (REQUEST % pixel).replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")
    for last in (closing, closing.replace("close", "TE, Close"), closing + REQUEST % pixel):
        answer = talk(installation, last, half_close=False)
        assert answer.count(b"HTTP/1.1 200") == answer.count(b"\r\nConnection: close\r\n") == 1


def test_connections_that_say_nothing_or_never_end_keep_nobody_out(served):
    """SEND-47: hundreds of silent and slow clients hold connections; a hit is answered all the same."""
    installation, pixel, _ = served
    with contextlib.ExitStack() as stack:
        for number in range(300):
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", installation.port), timeout=20))
            if number % 2:
                sock.sendall(f"GET {pixel} HTTP/1.1\r\nX-Slow: ".encode())
        assert talk(installation, REQUEST % pixel).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize("change", [
    lambda r: r.replace("HTTP/1.1", "HTTP/1.0"),
    lambda r: r.replace("\r\n\r\n", "\r\nContent-Length: 5\r\n\r\nhello"),
    lambda r: r.replace("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    lambda r: r.replace("\r\n\r\n", "\r\nUser-Agent: twice\r\n\r\n"),
    lambda r: r.replace(" HTTP", "?x=1 HTTP"),
    lambda r: "\r\n" + r])
def test_what_is_not_simple_goes_the_usual_way(served, change):
    """The usual way answers alike; nothing that has a body, or might, is read by the quick one."""
    installation, _, click = served
    answer = talk(installation, change(REQUEST % click))
    assert re.findall(rb"HTTP/1.[01] (\d+)", answer) == [b"302"] and f"Location: {URL}\r\n".encode() in answer


@pytest.mark.parametrize("request_text", [
    "GET /t/%00 HTTP/1.1\r\nHost: x\r\n\r\n", "GET /t/" + "a" * 300 + " HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /t/abc HTTP/1.1\r\nHost: x\r\n\r\n", "GET //t/abc HTTP/1.1\r\nHost: x\r\n\r\n",
    "HEAD /t/ HTTP/1.1\r\nHost: x\r\n\r\n", "GET /t/a/../b HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_a_wrong_token_is_a_404(served, request_text):
    """SEND-45."""
    installation, *_ = served
    assert re.findall(rb"HTTP/1.1 (\d+)", talk(installation, request_text)) == [b"404"]


@pytest.mark.parametrize("request_text", [
    "GET /t/%s\r\n\r\n", "GET /t/%s HTTP/1.1\nHost: x\n\n", "GET /t/%s HTTP/1.1\r\nA: b\x00\r\n\r\n",
    "GET /t/%s HTTP/1.1\r\nHost : x\r\n\r\n", "GET /t/%s HTTP/1.1\r\nA: b\r\n folded\r\n\r\n",
    "GET /t/%s HTTP/9.9\r\n\r\n", "get /t/%s HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_broken_requests_break_nothing(served, request_text):
    """Whatever the answer, there is one or none, and the server goes on."""
    installation, pixel, _ = served
    answer = talk(installation, request_text % pixel.removeprefix("/t/"))
    assert len(re.findall(rb"HTTP/1.[01] \d+", answer)) <= 1
    assert talk(installation, REQUEST % pixel).startswith(b"HTTP/1.1 200 OK")


def test_only_a_trusted_proxy_says_who_asked_and_nothing_whole_reaches_the_disk(served):
    """SEND-51, GATEWAY_TRUSTED_PROXIES."""
    installation, pixel, _ = served
    talk(installation, (REQUEST % pixel).replace("\r\n\r\n", "\r\nX-Forwarded-For: 6.6.6.6, 198.51.100.9\r\n\r\n"))
    disk = b"".join(path.read_bytes() for path in (installation.folder / "data/hits").glob("*.hits"))
    assert b"198.51.100.0/24" in disk and b"198.51.100.9" not in disk and b"6.6.6" not in disk
