"""Which REST interface do tests sync with? A small real one on the loopback, which can be made to misbehave."""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
import json
import ssl
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.bridges.http.bridge import HttpBridge

KEY, CLIENT, SECRET = "key-hush-hush", "gateway", "oauth-hush-hush"
FIELDS = {"remote_id": "id", "email": "contact.email", "do_not_email": "flags.noMail", "interests": "groups",
          "deleted": "gone"}
WRITEBACK = {
    "unsubscribe": {"method": "PATCH", "path": "/members/{remote_id}",
                    "body": {"noMail": True, "since": "{occurred_at}", "why": "{origin}: {reason}"}},
    "resubscribe": {"method": "PATCH", "path": "/members/{remote_id}", "body": {"noMail": False}},
    "bad_email": {"path": "/members/{remote_id}/bounces", "body": {"code": "{code}", "email": "{email}"}},
}
PAGINGS = {
    "page": {"kind": "page", "parameter": "page", "size_parameter": "size", "size": 2, "total": "total"},
    "offset": {"kind": "offset", "parameter": "offset", "size_parameter": "size", "size": 3},
    "next": {"kind": "next", "path": "links.next"},
    "link": {"kind": "next"},
}
_ASKED = {"fields": {"FirstName": "more.FirstName", "City": "more.City"}}
BY_ID = {**_ASKED, "path": "/members/{remote_id}"}
BY_PARAMETER = {**_ASKED, "path": "/members?of=all", "items": "data", "remote_id": "id", "parameter": "ids"}
BY_BODY = {**_ASKED, "path": "/members/search", "items": "found.people", "remote_id": "id",
           "body": {"filter": {"ids": ["of", "{remote_ids}"]}, "limit": 200}}
VALUES = {"page": BY_PARAMETER, "offset": BY_BODY, "next": BY_ID, "link": {**BY_PARAMETER, "size": 50}}
"""How a system of each paging is asked for values."""
Trick = Callable[["Handler"], bool]
"""Something to do in the place of an answer; false: answer all the same."""


class _Server(ThreadingHTTPServer):
    """One that does not complain of clients who hang up, which is what many tests are about."""

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class HttpAms:
    """Members behind ``/api/members``, with an API key or tokens. ``tricks`` come before the next answers, one each."""

    kind = "http"
    has_values = True
    has_groups = True

    def __init__(self, paging: str = "page", tls: ssl.SSLContext | None = None) -> None:
        self.paging = paging
        self.people: dict[int, dict[str, object]] = {}
        self.groups: dict[str, tuple[str, list[str]]] = {}
        self.asked: list[tuple[str, str]] = []
        self.headers: list[Mapping[str, str]] = []
        self.tricks: list[Trick] = []
        self.tokens: list[str] = []
        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.ams = self
        self.origin = f"{'http' if tls is None else 'https'}://127.0.0.1:{self._server.server_port}"
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=lambda: self._server.serve_forever(0.02))
        self._thread.start()

    def close(self) -> None:
        """Ends the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(60)

    @property
    def config(self) -> dict[str, object]:
        """The bridge's configuration."""
        return {
            "url": f"{self.origin}/api", "auth": {"kind": "key", "header": "X-Api-Key", "value": KEY}, "timeout_s": 5,
            "members": {"path": "/members?of=all", "items": "data", "fields": FIELDS, "paging": PAGINGS[self.paging],
                        "since": {"parameter": "changed_since"}},
            "members_by_id": {"path": "/members/{remote_id}"}, "values": VALUES[self.paging], "groups": self._groups(),
            "writeback": WRITEBACK, "probe": "/ping"}

    def _groups(self) -> dict[str, object]:
        paging = PAGINGS[self.paging]
        return {"list": {"path": "/groups?of=all", "items": "data", "paging": paging,
                         "fields": {"group_id": "id", "name": "title.text", "size": "count"}},
                "members": {"path": "/groups/{group_id}/members?of=all", "items": "data", "paging": paging}}

    @property
    def oauth(self) -> dict[str, object]:
        """The same with tokens."""
        return {**self.config, "auth": {"kind": "oauth2", "token_url": f"{self.origin}/token", "client_id": CLIENT,
                                        "client_secret": SECRET, "scope": "members"}}

    def away_config(self) -> dict[str, object]:
        """The configuration of a system that cannot be reached."""
        return {**self.config, "url": "http://127.0.0.1:9/api"}

    def bridge(self, *, away: bool = False, **change: object) -> HttpBridge:
        """A bridge to it, or to one that is away."""
        return HttpBridge.from_config({**(self.away_config() if away else self.config), **change})

    def put(self, remote_id: str | None, email: str | None, no_mail: object = 0, groups: str | None = None,
            gone: int = 0) -> None:
        """Adds a member."""
        listed = None if groups is None else [name.strip() for name in groups.split(";") if name.strip()]
        self.people[len(self.people)] = {
            "id": int(remote_id) if (remote_id or "").isdecimal() and str(int(remote_id)) == remote_id else remote_id,
            "contact": {"email": email}, "flags": {} if no_mail is None else {"noMail": bool(no_mail)},
            "groups": listed, "gone": bool(gone), "bounced": 0}

    def tell(self, remote_id: str, **values: str | None) -> None:
        """Gives a member values of ``FirstName`` and ``City``."""
        self.find(remote_id)["more"] = values

    def group(self, group_id: str, name: str, remote_ids: Sequence[str] = ()) -> None:
        """Adds a group of members."""
        self.groups[group_id] = (name, list(remote_ids))

    def put_many(self, count: int) -> None:
        """Adds members ``0`` to ``count - 1`` with addresses of their own."""
        for number in range(count):
            self.put(str(number), f"m{number}@example.org", 0, "Members")

    def find(self, remote_id: str) -> dict[str, object] | None:
        """The member as stored."""
        return next((each for each in self.people.values() if str(each["id"]) == remote_id), None)

    def row(self, remote_id: str) -> Mapping[str, object]:
        """What is written back, as the tests of all bridges ask for it."""
        found = self.find(remote_id)
        return {"no_mail": int(found["flags"].get("noMail", False)), "bad_email": found["bounced"],
                "changed_at": found.get("since"), "reason": found.get("why")}

    def drop(self, remote_id: str) -> None:
        """Deletes a member."""
        self.people = {place: each for place, each in self.people.items() if str(each["id"]) != remote_id}

    def paths(self) -> list[str]:
        """What was asked for, in order, without the part before the members."""
        return [f"{method} {path.removeprefix('/api')}" for method, path in self.asked]


def certified(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's side of TLS for 127.0.0.1, and the file of the one certificate that vouches for it: its own."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    made = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
            .add_extension(x509.BasicConstraints(True, None), True)
            .sign(key, hashes.SHA256()))
    pem, private = folder / "ams.pem", folder / "ams.key"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                          serialization.NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, private)
    return context, pem


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_args: object) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        self._handle()

    do_POST = do_PATCH = do_PUT = do_DELETE = do_GET

    def answer(self, status: int, value: object = None, **headers: str) -> None:
        """Answers with JSON."""
        body = b"" if status == 204 else json.dumps(value).encode()
        self.raw(status, body, **headers)

    def raw(self, status: int, body: bytes, **headers: str) -> None:
        """Answers with bytes; ``_`` in the name of a header stands for ``-``."""
        self.send_response(status)
        for name, text in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), text)
        self.end_headers()
        self.wfile.write(body)

    def _handle(self) -> None:
        self.ams: HttpAms = self.server.ams
        self.sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.ams.asked.append((self.command, self.path))
        self.ams.headers.append(dict(self.headers))
        parts = urlsplit(self.path)
        self.query = {name: texts[0] for name, texts in parse_qs(parts.query).items()}
        if self.ams.tricks and self.ams.tricks.pop(0)(self):
            return
        steps = [unquote(step) for step in parts.path.split("/")[1:]]
        if steps == ["token"]:
            self._token()
        elif not self._is_known():
            self.answer(401, {"error": f"wrong {KEY} {SECRET}"})
        elif steps == ["api", "ping"]:
            self.answer(204)
        elif steps == ["api", "members"] and self.command == "GET":
            self._list()
        elif steps == ["api", "members", "search"]:
            _, ids = json.loads(self.sent)["filter"]["ids"]
            self.answer(200, {"found": {"people": [e for e in self.ams.people.values() if str(e["id"]) in ids]}})
        elif steps[:2] == ["api", "groups"]:
            self._groups(steps[2:])
        else:
            self._one(steps)

    def _is_known(self) -> bool:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        return self.headers.get("X-Api-Key") == KEY or token in self.ams.tokens

    def _token(self) -> None:
        form = {name: texts[0] for name, texts in parse_qs(self.sent.decode()).items()}
        basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        known = self.headers.get("Authorization") == f"Basic {basic}" or form.get("client_secret") == SECRET
        if not known or form["grant_type"] != "client_credentials" or form["scope"] != "members":
            self.answer(401, {"error": "invalid_client", "error_description": SECRET})
            return
        self.ams.tokens = [f"token-{len(self.ams.asked)}"]
        self.answer(200, {"access_token": self.ams.tokens[0], "token_type": "bearer", "expires_in": 3600})

    def _list(self) -> None:
        listed = list(self.ams.people.values())
        if "changed_since" in self.query:
            listed = [each for each in listed if str(each.get("changed", "")) >= self.query["changed_since"]]
        if "ids" in self.query:
            self.answer(200, {"data": [e for e in listed if str(e["id"]) in self.query["ids"].split(",")]})
            return
        self._page("/api/members", listed)

    def _groups(self, steps: list[str]) -> None:
        if not steps:
            self._page("/api/groups", [{"id": int(key), "title": {"text": name}, "count": len(ids)}
                                       for key, (name, ids) in self.ams.groups.items()])
        elif steps[1:] == ["members"] and steps[0] in self.ams.groups:
            ids = self.ams.groups[steps[0]][1]
            self._page("/".join(["/api/groups", *steps]), [e for e in self.ams.people.values() if str(e["id"]) in ids])
        else:
            self.answer(404, {"error": f"no such group {KEY}"})

    def _page(self, path: str, listed: list[dict[str, object]]) -> None:
        size = int(self.query.get("size", 2))
        start = int(self.query.get("offset", (int(self.query.get("page", 1)) - 1) * size))
        more = start + size < len(listed)
        following = f"{path}?of=all&page={start // size + 2}" if more else None
        headers = {"Link": f'<{following}>; rel="next", </x>; rel="last"'} if more and self.ams.paging == "link" else {}
        self.answer(200, {"data": listed[start:start + size], "total": len(listed),
                          "links": {"next": following}}, **headers)

    def _one(self, steps: list[str]) -> None:
        found = self.ams.find(steps[2]) if len(steps) > 2 and steps[1] == "members" else None
        if found is None:
            self.answer(404, {"error": f"nobody {KEY}"})
            return
        if self.command == "GET":
            self.answer(200, found)
            return
        sent = json.loads(self.sent)
        if steps[3:] == ["bounces"]:
            found["bounced"] = int(found["contact"]["email"] == sent["email"] and sent["code"] is not None)
        else:
            found["flags"]["noMail"] = sent["noMail"]
            found |= {name: sent[name] for name in ("since", "why") if name in sent}
        self.answer(204)
