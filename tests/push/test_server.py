"""The door behind the real server, over raw sockets: lengths that lie, chunks, and senders who go away."""

import gzip
import json
import socket
import threading

import pytest
import waitress

from tests.support.face import stop
from tests.support.waiting import wait_for

CSV = b"remoteId,email\n" + b"".join(b"K-%d,p%d@example.org\n" % (n, n) for n in range(3000))


@pytest.fixture
def port(door):
    sock = socket.create_server(("127.0.0.1", 0))
    server = waitress.create_server(door.app, sockets=[sock], threads=2, channel_timeout=5)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield sock.getsockname()[1]
    stop(server, thread)


class Wire:
    """One connection; answers are read whole."""

    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.file = self.sock.makefile("rb")

    def send(self, head, *pieces):
        self.sock.sendall("\r\n".join(head).encode("latin-1") + b"\r\n\r\n")
        for piece in pieces:
            self.sock.sendall(piece)

    def answer(self):
        status = int(self.file.readline().split()[1])
        headers = {}
        while line := self.file.readline().strip():
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        return status, headers, self.file.read(int(headers.get("content-length", 0)))

    def close(self):
        self.file.close()
        self.sock.close()


@pytest.fixture
def wire(port):
    made = Wire(port)
    yield made
    made.close()


def head(call, method="POST", path="/imports", *more, content_type="text/csv", version="1.1"):
    return [f"{method} {path} HTTP/{version}", "Host: localhost", f"aPiKeY: {call.key}",
            f"Content-Type: {content_type}", *more]


def chunks(data, size):
    return [b"%x\r\n%s\r\n" % (len(data[at:at + size]), data[at:at + size]) for at in range(0, len(data), size)] + [
        b"0\r\n\r\n"]


def spooled(door):
    folder = door.gateway.settings.spool_dir
    return list(folder.iterdir()) if folder.is_dir() else []


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("way", ["length", "chunked", "expect"])
def test_whole_bodies(call, door, wire, way, packed):
    """PUSH-4, PUSH-104: with length, in chunks, after 100-continue; packed or not."""
    data = gzip.compress(CSV) if packed else CSV
    more = ["Content-Encoding: gzip"] if packed else []
    if way == "chunked":
        wire.send(head(call, "POST", "/imports", "Transfer-Encoding: chunked", *more), *chunks(data, 1000))
    elif way == "expect":
        wire.send(head(call, "POST", "/imports", f"Content-Length: {len(data)}", "Expect: 100-continue", *more))
        assert wire.answer()[0] == 100
        wire.sock.sendall(data)
    else:
        wire.send(head(call, "POST", "/imports", f"Content-Length: {len(data)}", *more), data)
    status, headers, body = wire.answer()
    job = json.loads(body)
    assert (status, headers["location"]) == (202, f"/push/v1/imports/{job['jobId']}")
    assert headers["x-request-id"] == job["requestId"]
    door.work()
    wire.send(head(call, "GET", f"/imports/{job['jobId']}"))
    job = json.loads(wire.answer()[2])
    assert (job["state"], job["created"], job["bytesDone"]) == ("finished", 3000, len(data))


@pytest.mark.parametrize("way", ["length", "chunked"])
def test_sender_who_goes_away(call, door, port, way):
    """PUSH-58: a body that breaks off leaves no job and no file, and the server goes on."""
    broken = Wire(port)
    if way == "length":
        broken.send(head(call, "POST", "/imports", f"Content-Length: {len(CSV) + 100}"), CSV)
    else:
        broken.send(head(call, "POST", "/imports", "Transfer-Encoding: chunked"), chunks(CSV, 1000)[0])
    broken.sock.shutdown(socket.SHUT_WR)
    broken.close()
    after = Wire(port)
    after.send(head(call, "GET", "/imports"))
    assert after.answer()[0] == 200
    after.close()
    wait_for(lambda: door.count("upload") == 0 and spooled(door) == [], "nothing to be left")


def test_short_body_by_a_lying_length(call, door):
    """PUSH-58, below the server: a stream that ends before its Content-Length is 400 and leaves nothing."""
    for path, data, media_type in (("/imports", CSV, "text/csv"), ("/subscribers", b"[]", "application/json")):
        answer = call.post(path, data=data, content_type=media_type,
                           environ_overrides={"CONTENT_LENGTH": str(len(data) + 1)})
        assert (answer.status_code, answer.json["code"]) == (400, "MALFORMED_REQUEST")
    assert (door.count("upload"), spooled(door)) == (0, [])


def test_no_length_and_no_chunks_is_no_body(call, wire):
    """PUSH-94: without both there is no body: not JSON for a batch, no header for a file."""
    wire.send(head(call, "POST", "/subscribers", content_type="application/json"))
    status, _, body = wire.answer()
    assert (status, json.loads(body)["code"]) == (400, "MALFORMED_REQUEST")


def test_endless_chunks_are_cut_off(call, wire):
    """PUSH-94: a body without an end is refused by the running limit."""
    data = b" " * 1_000_000
    wire.send(head(call, "POST", "/subscribers", "Transfer-Encoding: chunked", content_type="application/json"),
              *chunks(data * 9, 100_000))
    status, _, body = wire.answer()
    assert (status, json.loads(body)["code"]) == (413, "TOO_LARGE")


def test_kept_connection_and_old_http(call, wire, port):
    """PUSH-99, PUSH-104: many calls over one connection; HTTP/1.0."""
    for n in range(5):
        body = json.dumps([{"email": f"p{n}@example.org"}]).encode()
        wire.send(head(call, "POST", "/subscribers", f"Content-Length: {len(body)}", content_type="text/json"), body)
        assert json.loads(wire.answer()[2])["created"] == 1
    old = Wire(port)
    old.send(head(call, "GET", "/interests", version="1.0"))
    assert old.answer()[0] == 200
    old.close()
