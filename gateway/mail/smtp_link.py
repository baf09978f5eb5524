"""Which of our bytes has the kernel taken? One TCP connection, plain or TLS, that counts them (SEND-30, SEND-31).

After a break the outcome of a message hangs on one question: can the server have its final dot? A transport of
asyncio keeps what the kernel does not take at once in a buffer, throws it away when the connection breaks and does
not say how much it held (under TLS there are two such buffers). So this class sends by itself, on a non-blocking
socket: ``written`` counts the bytes given to it in the form they have on the wire (records of TLS included), ``sent``
those that the kernel has taken. A message whose last byte is at ``written`` can have arrived only when ``sent`` has
reached that mark; before, it cannot, since a record of TLS is of no use without its end.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from typing import Protocol

READ_BYTES = 16384

EARLY = "The mail server answered before it was asked."
CLOSED = "The mail server closed the connection."


class LinkUser(Protocol):
    """Whoever talks over a link."""

    def received(self, data: bytes) -> None:
        """Bytes from the server."""

    def lost(self, cause: str) -> None:
        """The connection is gone; called once, never from inside a call of the link."""


class Link:
    """The connection; ``put`` and ``flush`` never block, never raise and never call back.

    ``moved_at`` is when the kernel last had room for bytes that had to wait, by the loop's clock.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket, user: LinkUser) -> None:
        self.written = 0
        self.sent = 0
        self.moved_at = 0.0
        self.closed = False
        self._loop, self._sock, self._user = loop, sock, user
        self._out: list[bytes | memoryview] = []
        self._blocked = self._broken = False
        self._tls: ssl.SSLObject | None = None
        self._bio_in, self._bio_out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._handshake: asyncio.Future[None] | None = None
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        loop.add_reader(sock.fileno(), self._readable)

    # --- out --------------------------------------------------------------------------------------------------

    def put(self, data: bytes) -> None:
        """Queues bytes for the next ``flush``; afterwards ``written`` is the mark of their end."""
        if self._tls is None:
            self._queue(data)
            return
        try:
            view = memoryview(data)
            while view:
                view = view[self._tls.write(view):]
        except ssl.SSLError as error:
            self._break(str(error))
            self.written += len(data)  # never sent: the mark of its end must stay out of reach
        self._queue(self._bio_out.read())

    def _queue(self, data: bytes) -> None:
        self.written += len(data)
        if data and not self._broken:
            self._out.append(data)

    def flush(self) -> None:
        """Gives the kernel what it takes now; the rest follows when it has room."""
        if self._blocked or not self._out or self.closed:
            return
        try:
            count = self._sock.sendmsg(self._out)
        except (BlockingIOError, InterruptedError):
            count = 0
        except OSError as error:
            self._break(_words(error))
            return
        self.sent += count
        if self.sent == self.written:
            self._out.clear()
        else:
            self._out = [memoryview(b"".join(self._out))[count:]]
            self._blocked = True
            self._loop.add_writer(self._sock.fileno(), self._writable)

    def _writable(self) -> None:
        self._blocked = False
        self._loop.remove_writer(self._sock.fileno())
        self.moved_at = self._loop.time()
        self.flush()

    def _break(self, cause: str) -> None:
        """Nothing more can be sent. What the server said before it hung up is still read."""
        if not self._broken:
            self._broken = True
            self._out.clear()
            self._loop.call_soon(self._read_out, cause)

    def _read_out(self, cause: str) -> None:
        if not self.closed:
            self._readable()
            self._lose(cause)

    # --- in ---------------------------------------------------------------------------------------------------

    def _readable(self) -> None:
        while not self.closed:
            try:
                data = self._sock.recv(READ_BYTES)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self._lose(_words(error))
                return
            if not data:
                self._lose(CLOSED)
                return
            if self._tls is not None:
                data = self._decrypt(data)
            if data:
                self._user.received(data)
            if not self._broken:
                return  # there may be more, but the others have their turn first

    def ahead(self) -> str:
        """What the server said or did that was not read yet, as a cause; what it said is dropped. Empty: nothing."""
        try:
            data = self._sock.recv(READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return ""
        except OSError as error:
            return _words(error)
        if data and self._tls is not None and not self._decrypt(data) and not self._broken:
            return ""  # a record of TLS itself, such as a ticket
        return EARLY if data and not self._broken else CLOSED

    def _decrypt(self, data: bytes) -> bytes:
        self._bio_in.write(data)
        if self._handshake is not None:
            self._shake()
            return b""
        return self._clear()

    def _clear(self) -> bytes:
        """What the records that have arrived say."""
        clear = []
        try:
            while True:
                piece = self._tls.read(READ_BYTES)
                if not piece:
                    self._break(CLOSED)
                    break
                clear.append(piece)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self._break(str(error))
        self._queue(self._bio_out.read())
        self.flush()
        return b"".join(clear)

    # --- TLS, end -----------------------------------------------------------------------------------------------

    async def secure(self, context: ssl.SSLContext, host: str) -> None:
        """Begins TLS; raises ``ssl.SSLError`` or ``OSError`` when it fails or the certificate does not fit."""
        self._tls = context.wrap_bio(self._bio_in, self._bio_out, server_hostname=host)
        self._handshake = self._loop.create_future()
        self._shake()
        await self._handshake

    def _shake(self) -> None:
        done, failure = self._handshake, None
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            done = None
        except (ssl.SSLError, ssl.CertificateError) as error:
            failure = error
        self._queue(self._bio_out.read())  # an alert that says what was wrong, too
        self.flush()
        if done is None:
            return
        self._handshake = None
        if done.done():
            return
        if failure is None:
            done.set_result(None)
            self._loop.call_soon(self._after_handshake)  # whoever waits for it goes first
        else:
            done.set_exception(failure)

    def _after_handshake(self) -> None:
        """A server that speaks first may have done so in the same packet."""
        data = b"" if self.closed else self._clear()
        if data:
            self._user.received(data)

    def close(self) -> None:
        """Closes at once, without a word to the user; what was not sent is dropped."""
        if self.closed:
            return
        if self._tls is not None and self._handshake is None and not self._broken and not self._blocked:
            with contextlib.suppress(ssl.SSLError, OSError):
                self._tls.unwrap()
            with contextlib.suppress(OSError):
                self._sock.send(self._bio_out.read())
        self.closed = True
        self._loop.remove_reader(self._sock.fileno())
        self._loop.remove_writer(self._sock.fileno())
        self._sock.close()

    def _lose(self, cause: str) -> None:
        if self.closed:
            return
        self.close()
        if self._handshake is not None and not self._handshake.done():
            self._handshake.set_exception(ConnectionError(cause))
        self._user.lost(cause)


def _words(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__
