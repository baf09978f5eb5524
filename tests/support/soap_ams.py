"""Which SOAP service do tests sync with? A small one on the loopback, in several dialects, that can misbehave."""

from __future__ import annotations

import base64
import hashlib
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from lxml import etree

from gateway.bridges.soap.bridge import SoapBridge
from tests.support.soap_wsdl import SOAP11, SOAP12, TNS, VARIANTS, wsdl

USER, PASSWORD = "gateway", "soap-hush-hush"
FIELDS = {"remote_id": "Id", "email": "Contact.Email", "do_not_email": "Flags.NoMail", "interests": "Groups.string",
          "deleted": "Gone"}
AUTHS = {
    "basic": {"kind": "basic", "user": USER, "password": PASSWORD},
    "digest": {"kind": "username_token", "user": USER, "password": PASSWORD, "digest": True},
    "text": {"kind": "username_token", "user": USER, "password": PASSWORD},
    "header": {"kind": "header", "name": f"{{{TNS}}}Credentials", "value": {"User": USER, "Password": PASSWORD}},
}
WSSE = "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd}"
WSU = "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd}"
Trick = Callable[["Handler"], bool]
"""Something to do in the place of an answer; false: answer all the same."""


class Server(ThreadingHTTPServer):
    """One that does not complain of clients who hang up, which is what many tests are about."""

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class SoapAms:
    """Members behind ``/VARIANT/service``. ``tricks`` come before the next answers to calls, one each; ``documents``:
    path -> what is served there in the place of the WSDL."""

    kind = "soap"
    has_values = True
    has_groups = True

    def __init__(self, variant: str = "wrapped") -> None:
        self.variant = VARIANTS[variant]
        self.people: list[dict[str, object]] = []
        self.groups: dict[str, tuple[str, list[str]]] = {}
        self.asked: list[tuple[str, dict[str, object]]] = []
        self.headers: list[Mapping[str, str]] = []
        self.tricks: list[Trick] = []
        self.documents: dict[str, bytes | Trick] = {}
        self.loaded: list[str] = []
        self.last_sent = b""
        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.ams = self
        self.origin = f"http://127.0.0.1:{self._server.server_port}"
        self.service = f"{self.origin}/{self.variant.name}/service"
        self._thread = threading.Thread(target=lambda: self._server.serve_forever(0.02))
        self._thread.start()

    def close(self) -> None:
        """Ends the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(60)

    @property
    def fields(self) -> dict[str, str]:
        """Where the columns of a member stand."""
        return {**FIELDS, "interests": "Groups.string.*"} if self.variant.is_any else FIELDS

    @property
    def config(self) -> dict[str, object]:
        """The bridge's configuration."""
        variant = self.variant
        where = {name: variant.place(name) for name in ("GetMembers", "GetGroups", "GetGroupMembers", "GetMembersById",
                                                        "GetProfiles")}
        slots = {"page": {"page": "{page}", "size": "{size}"}, "offset": {"offset": "{offset}", "size": "{size}"},
                 "cursor": {"cursor": "{cursor}"}, "none": {}}[variant.paging]
        paging = {"page": {"kind": "page", "size": 2, "total": "Total"}, "offset": {"kind": "offset", "size": 3},
                  "cursor": {"kind": "cursor", "path": "Next"}, "none": None}[variant.paging]
        writes = {"ok": "SetMailResult.Done"} if variant.flags else {}
        changed, whole = {"since": "{since}"}, {"since": "{occurred_at}", "why": ""} if variant.is_rpc else {}
        since = {} if variant.is_rpc else changed
        one = variant.name == "soap12"
        return {
            "wsdl": f"{self.service}?wsdl", "auth": AUTHS.get(variant.auth), "timeout_s": 5,
            "members": {"operation": "GetMembers", "arguments": {**slots, **since},
                        "result": where["GetMembers"], "fields": self.fields, "paging": paging,
                        "since": {"operation": "GetChanges", "arguments": changed} if variant.is_rpc else {}},
            "members_by_id": {"operation": "GetMembersById", "result": where["GetMembersById"],
                              "arguments": {"ids": {"string": ["{remote_id}"] if one else "{remote_ids}"}}},
            "values": {"operation": "GetProfiles", "arguments": {"ids": {"string": "{remote_ids}"}},
                       "result": where["GetProfiles"], "remote_id": "Id",
                       "fields": {"FirstName": "First", "City": "Home.City"}},
            "groups": {"list": {"operation": "GetGroups", "result": where["GetGroups"],
                                "fields": {"group_id": "Key", "name": "Title", "size": "Size"}},
                       "members": {"operation": "GetGroupMembers", "arguments": {"group": "{group_id}", **slots},
                                   "result": where["GetGroupMembers"], "paging": paging}},
            "writeback": {
                "unsubscribe": {"operation": "SetMail", **writes, "arguments": {
                    "id": "{remote_id}", "noMail": True, "since": "{occurred_at}", "why": "{origin}: {reason}"}},
                "resubscribe": {"operation": "SetMail", **writes, "arguments": {
                    "id": "{remote_id}", "noMail": False, **whole}},
                "bad_email": {"operation": "AddBounce", "arguments": {"id": "{remote_id}", "code": "{code}",
                                                                      "email": "{email}"}}}}

    def away_config(self) -> dict[str, object]:
        """The configuration of a system that cannot be reached."""
        return {**self.config, "wsdl": "http://127.0.0.1:9/service?wsdl"}

    def bridge(self, *, away: bool = False, **change: object) -> SoapBridge:
        """A bridge to it, or to one that is away."""
        return SoapBridge.from_config({**(self.away_config() if away else self.config), **change})

    def put(self, remote_id: str | None, email: str | None, no_mail: object = 0, groups: str | None = None,
            gone: int = 0) -> None:
        """Adds a member."""
        listed = None if groups is None else [name.strip() for name in groups.split(";") if name.strip()]
        self.people.append({
            "Id": remote_id, "Contact": {"Email": email}, "Gone": bool(gone), "bounced": 0, "profile": {},
            "Flags": {} if no_mail is None else {"NoMail": bool(no_mail)},
            "Groups": None if listed is None else {"string": listed}, "Joined": "2020-02-29", "Balance": "12.50"})

    def put_many(self, count: int) -> None:
        """Adds members ``0`` to ``count - 1`` with addresses of their own."""
        for number in range(count):
            self.put(str(number), f"m{number}@example.org", 0, "Members")

    def tell(self, remote_id: str, **values: str | None) -> None:
        """Gives a member values of ``FirstName`` and ``City``."""
        self.find(remote_id)["profile"].update(values)

    def group(self, group_id: str, name: str, remote_ids: Sequence[str] = ()) -> None:
        """Adds a group of members."""
        self.groups[group_id] = (name, list(remote_ids))

    def find(self, remote_id: str) -> dict[str, object] | None:
        """The member as stored."""
        return next((each for each in self.people if each["Id"] == remote_id), None)

    def row(self, remote_id: str) -> Mapping[str, object]:
        """What is written back, as the tests of all bridges ask for it."""
        found = self.find(remote_id)
        return {"no_mail": int(found["Flags"].get("NoMail", False)), "bad_email": found["bounced"],
                "changed_at": found.get("since"), "reason": found.get("why")}

    def drop(self, remote_id: str) -> None:
        """Deletes a member."""
        self.people = [each for each in self.people if each["Id"] != remote_id]

    def calls(self) -> list[str]:
        """The operations that were called, in order."""
        return [name for name, _ in self.asked]


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # an answer in one piece: else the client's delayed acknowledgement costs 40 ms

    def log_message(self, *_args: object) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        self.ams: SoapAms = self.server.ams
        self.ams.loaded.append(self.path)
        there = self.ams.documents.get(self.path)
        if callable(there):
            there(self)
        elif there is not None:
            self.raw(200, there)
        elif self.path == f"/{self.ams.variant.name}/service?wsdl":
            self.raw(200, wsdl(self.ams.variant, self.ams.service))
        else:
            self.raw(404, b"<html>nothing</html>", Content_Type="text/html")

    def do_POST(self) -> None:
        self.ams: SoapAms = self.server.ams
        self.sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.ams.last_sent = self.sent
        self.envelope = etree.fromstring(self.sent)
        self.soap = f"{{{SOAP12 if self.ams.variant.is_12 else SOAP11}}}"
        call = self.envelope.find(f"{self.soap}Body")[0]
        self.name, self.given = etree.QName(call).localname, _value(call) or {}
        self.ams.asked.append((self.name, self.given))
        self.ams.headers.append(dict(self.headers))
        if self.ams.tricks and self.ams.tricks.pop(0)(self):
            return
        if not self._is_known():
            self.fault("FailedAuthentication", f"wrong password {PASSWORD}", WSSE[1:-1])
            return
        getattr(self, f"_{self.name}")()

    def raw(self, status: int, body: bytes, **headers: str) -> None:
        """Answers with bytes; ``_`` in the name of a header stands for ``-``."""
        kind = "application/soap+xml" if self.ams.variant.is_12 else "text/xml"
        self.send_response(status)
        told = {"Content_Length": str(len(body)), "Content_Type": f"{kind}; charset=utf-8", **headers}
        for name, text in told.items():
            self.send_header(name.replace("_", "-"), text)
        self.end_headers()
        self.wfile.write(body)

    def envelope_of(self, content: etree._Element | None) -> bytes:
        """A SOAP message."""
        made = etree.Element(f"{self.soap}Envelope", nsmap={"s": self.soap[1:-1]})
        body = etree.SubElement(made, f"{self.soap}Body")
        if content is not None:
            body.append(content)
        return etree.tostring(made, xml_declaration=True, encoding="utf-8")

    def fault(self, code: str, text: str, namespace: str = TNS, detail: str | None = None) -> None:
        """Answers with a fault of this code."""
        made = etree.Element(f"{self.soap}Fault", nsmap={"x": namespace})
        if self.ams.variant.is_12:
            outer = etree.SubElement(made, f"{self.soap}Code")
            main = code if code in ("Sender", "Receiver") else "Sender"
            etree.SubElement(outer, f"{self.soap}Value").text = f"s:{main}"
            if main != code:
                etree.SubElement(etree.SubElement(outer, f"{self.soap}Subcode"), f"{self.soap}Value").text = f"x:{code}"
            etree.SubElement(etree.SubElement(made, f"{self.soap}Reason"), f"{self.soap}Text").text = text
        else:
            etree.SubElement(made, "faultcode").text = f"x:{code}" if namespace != TNS else f"s:{code}"
            etree.SubElement(made, "faultstring").text = text
        if detail:
            etree.SubElement(etree.SubElement(made, f"{self.soap}Detail" if self.ams.variant.is_12 else "detail"),
                             f"{{{TNS}}}{detail}").text = text
        self.raw(500, self.envelope_of(made))

    def tell(self, found: Sequence[Mapping[str, object]], item: str, **beside: object) -> None:
        """Answers with a list, as this dialect writes it."""
        form = f"{{{TNS}}}"
        made = etree.Element(f"{form}{self.name}Response", nsmap={None: TNS} if not self.ams.variant.is_rpc else None)
        inner = "" if self.ams.variant.is_rpc else form
        where = made
        for step in self.ams.variant.around(self.name):
            where = etree.SubElement(where, f"{inner}{step}" if step != "return" else step)
        for each in found:
            _fill(etree.SubElement(where, f"{inner}{item}"), each, inner)
        for name, value in beside.items():
            if value is not None:
                etree.SubElement(made, f"{inner}{name}").text = str(value)
        self.raw(200, self.envelope_of(made))

    def _is_known(self) -> bool:
        auth = self.ams.variant.auth
        if auth == "basic":
            pair = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            return self.headers.get("Authorization") == f"Basic {pair}"
        if auth == "header":
            found = self.envelope.find(f"{self.soap}Header/{{{TNS}}}Credentials")
            return found is not None and _value(found) == {"User": USER, "Password": PASSWORD}
        if auth in ("digest", "text"):
            token = self.envelope.find(f"{self.soap}Header/{WSSE}Security/{WSSE}UsernameToken")
            if token is None or token.findtext(f"{WSSE}Username") != USER:
                return False
            expected = PASSWORD
            if auth == "digest":
                nonce = base64.b64decode(token.findtext(f"{WSSE}Nonce"))
                made = token.findtext(f"{WSU}Created").encode()
                expected = base64.b64encode(hashlib.sha1(nonce + made + PASSWORD.encode()).digest()).decode()
            return token.findtext(f"{WSSE}Password") == expected
        return True

    def _page(self, listed: list[Mapping[str, object]]) -> None:
        if self.ams.variant.paging == "none":
            self.tell(listed, "Member")
            return
        size = int(self.given.get("size") or 2)
        start = int(self.given.get("cursor") or self.given.get("offset")
                    or (int(self.given.get("page") or 1) - 1) * size)
        more = str(start + size) if start + size < len(listed) else None
        beside = {"Next": more} if self.ams.variant.paging == "cursor" else (
            {"Total": len(listed)} if self.ams.variant.paging == "page" else {})
        self.tell(listed[start:start + size], "Member", **beside)

    def _GetMembers(self) -> None:
        since = self.given.get("since")
        self._page([each for each in self.ams.people if since is None or str(each.get("changed", "")) >= since])

    _GetChanges = _GetMembers

    def _ids(self) -> list[str]:
        found = (self.given.get("ids") or {}).get("string", [])
        return found if isinstance(found, list) else [found]

    def _GetMembersById(self) -> None:
        self.tell([each for each in self.ams.people if each["Id"] in self._ids()], "Member")

    def _GetProfiles(self) -> None:
        ids = set(self._ids())
        self.tell([{"Id": each["Id"], "First": each["profile"].get("FirstName"),
                    "Home": {"City": each["profile"].get("City")}} for each in self.ams.people if each["Id"] in ids],
                  "Profile")

    def _GetGroups(self) -> None:
        self.tell([{"Key": key, "Title": name, "Size": len(ids)}
                   for key, (name, ids) in self.ams.groups.items()], "Group")

    def _GetGroupMembers(self) -> None:
        ids = self.ams.groups.get(self.given.get("group"), ("", []))[1]
        self._page([each for each in self.ams.people if each["Id"] in ids])

    def _SetMail(self) -> None:
        found = self.ams.find(self.given["id"])
        if found is not None:
            found["Flags"]["NoMail"] = self.given["noMail"] == "true"
            found |= {name: self.given[name] for name in ("since", "why") if name in self.given}
        self._done(found is not None)

    def _AddBounce(self) -> None:
        found = self.ams.find(self.given["id"])
        found["bounced"] = int(found["Contact"]["Email"] == self.given.get("email") and "code" in self.given)
        self._done(True)

    def _done(self, done: bool) -> None:
        if not done and not self.ams.variant.flags:
            self.fault("Sender" if self.ams.variant.is_12 else "Client", f"nobody, says {PASSWORD}", detail="NotFound")
            return
        made = etree.Element(f"{{{TNS}}}{self.name}Response")
        if self.ams.variant.flags and self.name == "SetMail":
            _fill(etree.SubElement(made, f"{{{TNS}}}SetMailResult"), {"Done": done}, f"{{{TNS}}}")
        self.raw(200, self.envelope_of(made))


def _value(element: etree._Element) -> object:
    if not len(element):
        return element.text if element.get("{http://www.w3.org/2001/XMLSchema-instance}nil") != "true" else None
    found: dict[str, object] = {}
    for each in element:
        name, value = etree.QName(each).localname, _value(each)
        if name in found:
            found[name] = [*found[name], value] if isinstance(found[name], list) else [found[name], value]
        else:
            found[name] = value
    return found


def _fill(element: etree._Element, value: object, form: str) -> None:
    if isinstance(value, Mapping):
        for name, each in value.items():
            if not name[0].isupper() and name != "string":
                continue
            for one in each if isinstance(each, list) else [each]:
                _fill(etree.SubElement(element, f"{form}{name}"), one, form)
    elif value is None:
        element.set("{http://www.w3.org/2001/XMLSchema-instance}nil", "true")
    else:
        element.text = str(value).lower() if isinstance(value, bool) else str(value)
