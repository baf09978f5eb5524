"""A sender who goes away, or never comes to an end, leaves nothing. (SOAP-82, SOAP-83)"""

import socket
import threading
import time

import pytest
import waitress

from gateway import server as http
from tests.soap.door import credentials
from tests.support.face import stop
from tests.support.waiting import wait_for


@pytest.fixture
def port(door, monkeypatch):
    """The door behind the real server, which waits one second for a request."""
    monkeypatch.setattr(http, "REQUEST_TIME_S", 1.0)
    sock = socket.create_server(("127.0.0.1", 0))
    server = waitress.create_server(door.app, sockets=[sock], threads=2, channel_timeout=30)
    server.channel_class = http.Channel
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield sock.getsockname()[1]
    stop(server, thread)


def message(door, end=""):
    header = credentials(**door.user("sender"))
    return ('<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:g="urn:gateway:v1"><s:Header>'
            f"{header}</s:Header><s:Body><g:StartImport><g:mode>Add</g:mode><g:format>Records</g:format>"
            f"{'<g:record/>' * 1000}{end}").encode()


def send(port, how, body):
    sock = socket.create_connection(("127.0.0.1", port), timeout=20)
    sock.sendall(b"POST /soap/v1 HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\n%s\r\n\r\n%s" % (how, body))
    return sock


def files(door):
    folder = door.gateway.settings.spool_dir
    return list(folder.iterdir()) if folder.is_dir() else []


def jobs(door):
    with door.gateway.engine.connect() as connection:
        return connection.exec_driver_sql("SELECT count(*) FROM upload").scalar()


def test_headers_that_do_not_end_are_hung_up_on_much_sooner(port, monkeypatch):
    """Who sends a byte of a header now and then cannot hold a connection for as long as a large import may take."""
    monkeypatch.setattr(http, "REQUEST_TIME_S", 3600.0)
    monkeypatch.setattr(http, "HEAD_TIME_S", 0.5)
    with socket.create_connection(("127.0.0.1", port), timeout=20) as sock:
        sock.sendall(b"GET /t/x HTTP/1.1\r\nX-Slow: ")

        def hung_up():
            try:
                sock.sendall(b"a")
            except OSError:
                return True
            return False

        wait_for(hung_up, "the end of the connection")


def test_one_who_trickles_is_hung_up_on(door, port):
    """SOAP-83: the time limit counts from the first byte, however steadily the others come."""
    sock = send(port, b"Content-Length: 10000000", message(door))
    started = time.monotonic()

    def hung_up():
        try:
            sock.sendall(b" ")
        except OSError:
            return True
        return False

    wait_for(hung_up, "the connection to be closed")
    assert time.monotonic() - started < 60
    sock.close()
    assert files(door) == [] and jobs(door) == 0


def test_one_who_goes_away_leaves_nothing(door, port):
    """SOAP-82: a message that breaks off; the next one, in pieces of unknown number, is served."""
    send(port, b"Content-Length: 10000000", message(door)).close()
    assert files(door) == [] and jobs(door) == 0
    body = message(door, "</g:StartImport></s:Body></s:Envelope>")
    with send(port, b"Transfer-Encoding: chunked", b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)) as sock:
        assert sock.recv(100).startswith(b"HTTP/1.1 200")
    assert len(files(door)) == 1 and jobs(door) == 1
