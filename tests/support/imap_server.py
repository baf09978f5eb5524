"""How does a test get an IMAP server? One small folder on a loopback port that knows the commands we use (RFC 3501)."""

from __future__ import annotations

import re
import socketserver
import ssl
import threading
from dataclasses import dataclass, field


@dataclass
class Message:
    """One mail in the folder."""

    data: bytes
    flags: set[str] = field(default_factory=set)


class ImapServer(socketserver.ThreadingTCPServer):
    """A server for user ``bounces`` with password ``open sesame``. ``folders``: name -> uid -> message.

    ``moves``: whether it knows MOVE (RFC 6851). ``refuse``: a command that is answered NO. ``said`` are the commands.
    ``tls``: the context of a server that speaks TLS from its first byte.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, *, moves: bool = True, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Talk)
        self.moves, self.tls, self.refuse = moves, tls, ""
        self.folders: dict[str, dict[int, Message]] = {"INBOX": {}, "Done": {}}
        self.said: list[str] = []
        self.port = self.server_address[1]
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> ImapServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def url(self, scheme: str = "imap", folder: str = "INBOX") -> str:
        """Where it is, with user and password."""
        return f"{scheme}://bounces:open%20sesame@127.0.0.1:{self.port}/{folder}"

    def get_request(self):
        """A connection; in TLS where that is spoken."""
        sock, address = super().get_request()
        return (self.tls.wrap_socket(sock, server_side=True) if self.tls else sock), address

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that does not like our certificate, or goes, is no news."""


class _Talk(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.wfile.write(b"* OK ready\r\n")
        self.folder: dict[int, Message] = {}
        self.knows_us = False  # as with many servers, MOVE is offered only after the login
        while line := self.rfile.readline().decode().strip():
            tag, _, command = line.partition(" ")
            self.server.said.append(command)
            words = command.upper().split()
            verb = words[1] if words[0] == "UID" else words[0]
            good = verb != self.server.refuse and getattr(self, f"_{verb.lower()}")(command)
            self.wfile.write(f"{tag} {'OK' if good else 'NO'} done\r\n".encode())
            if verb == "LOGOUT":
                return

    def _say(self, text: str) -> bool:
        self.wfile.write(f"* {text}\r\n".encode())
        return True

    def _capability(self, _command: str) -> bool:
        return self._say("CAPABILITY IMAP4rev1" + (" MOVE" if self.server.moves and self.knows_us else ""))

    def _login(self, command: str) -> bool:
        self.knows_us = command == 'LOGIN bounces "open sesame"'
        return self.knows_us

    def _select(self, command: str) -> bool:
        name = command.split(" ", 1)[1].strip('"')
        self.folder = self.server.folders.get(name, {})
        return name in self.server.folders and self._say(f"{len(self.folder)} EXISTS")

    def _search(self, command: str) -> bool:
        assert command.split()[2:] == ["UNSEEN", "UNDELETED"]
        found = [str(uid) for uid, mail in self.folder.items() if not mail.flags & {"\\Seen", "\\Deleted"}]
        return self._say(" ".join(["SEARCH", *found]))

    def _fetch(self, command: str) -> bool:
        uid, wanted = re.fullmatch(r"UID FETCH (\d+) \(RFC822.SIZE BODY.PEEK\[\]<0\.(\d+)>\)", command).groups()
        data = self.folder[int(uid)].data
        part = data[:int(wanted)]
        self.wfile.write(b"* 1 FETCH (UID %s RFC822.SIZE %d BODY[]<0> {%d}\r\n" % (uid.encode(), len(data), len(part)))
        self.wfile.write(part + b")\r\n")
        return True

    def _store(self, command: str) -> bool:
        uid, flags = re.fullmatch(r"UID STORE (\d+) \+FLAGS \((.*)\)", command).groups()
        self.folder[int(uid)].flags.update(flags.split())
        return True

    def _copy(self, command: str) -> bool:
        uid, name = re.fullmatch(r'UID (?:COPY|MOVE) (\d+) "(.*)"', command).groups()
        self.server.folders[name][int(uid)] = Message(self.folder[int(uid)].data)
        return True

    def _move(self, command: str) -> bool:
        self._copy(command)
        del self.folder[int(command.split()[2])]
        return True

    def _expunge(self, _command: str) -> bool:
        for uid in [uid for uid, mail in self.folder.items() if "\\Deleted" in mail.flags]:
            del self.folder[uid]
        return True

    def _logout(self, _command: str) -> bool:
        return self._say("BYE")
