"""Which documents of a foreign WSDL are read, and from where?"""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urljoin, urlsplit

from zeep.wsdl.bindings import Soap11Binding, Soap12Binding

from gateway.bridges.http.wire import Answer, Wire
from gateway.bridges.port import Outage, Refused
from gateway.bridges.soap.expansion import Expansion
from gateway.bridges.soap.reading import count

MAX_DOCUMENTS = 50
MAX_BYTES = 16 << 20
MAX_ELEMENTS = 100_000
MAX_REDIRECTS = 5

KNOWN = {
    "https://www.w3.org/2001/xml.xsd": "http://www.w3.org/XML/1998/namespace",
    "http://www.w3.org/2001/xml.xsd": "http://www.w3.org/XML/1998/namespace",
    "http://schemas.xmlsoap.org/soap/encoding/": "http://schemas.xmlsoap.org/soap/encoding/",
}
"""Schemas of standards that many a WSDL refers to. They are not fetched: what is used of them stands below."""

_INSIDE = {
    "http://www.w3.org/XML/1998/namespace":
        "<xsd:attribute name='lang' type='xsd:string'/><xsd:attribute name='space' type='xsd:string'/>"
        "<xsd:attribute name='base' type='xsd:anyURI'/><xsd:attribute name='id' type='xsd:string'/>",
    "http://schemas.xmlsoap.org/soap/encoding/":
        "<xsd:attribute name='arrayType' type='xsd:string'/><xsd:group name='Array'><xsd:sequence>"
        "<xsd:any minOccurs='0' maxOccurs='unbounded' processContents='lax'/></xsd:sequence></xsd:group>"
        "<xsd:complexType name='Array'><xsd:sequence><xsd:any minOccurs='0' maxOccurs='unbounded' "
        "processContents='lax'/></xsd:sequence></xsd:complexType>",
}


class Documents:
    """What zeep loads a WSDL through: the WSDL's own origin or folder, so many documents, all by a deadline.

    Raises :class:`Outage` for what is not there or no XML, :class:`Refused` for what may not be or is too much.
    """

    binding_classes = (Soap11Binding, Soap12Binding)
    """The bindings that zeep looks for."""

    def __init__(self, wsdl: str, wire: Wire, headers: Mapping[str, str], limit_s: float) -> None:
        self._wsdl, self._wire, self._headers = wsdl, wire, headers
        self._deadline = time.monotonic() + limit_s
        self._documents = self._bytes = self._elements = 0
        self._expansion = Expansion()

    def close(self) -> None:
        """Nothing more is loaded: no message leads to another document."""
        self._documents = MAX_DOCUMENTS

    def load(self, url: str) -> bytes:
        """One document, whole and harmless."""
        if url in KNOWN:
            return _known(KNOWN[url])
        self._documents += 1
        if self._documents > MAX_DOCUMENTS:
            raise Refused(f"The WSDL has more than {MAX_DOCUMENTS} parts.")
        body = self._fetched(url) if is_url(self._wsdl) else self._opened(url)
        self._bytes += len(body)
        self._elements += count(body)
        if self._bytes > MAX_BYTES or self._elements > MAX_ELEMENTS:
            raise Refused(f"The WSDL has more than {MAX_BYTES >> 20} MB or {MAX_ELEMENTS} elements.")
        self._expansion.add(body)
        return body

    def _fetched(self, url: str) -> bytes:
        if not is_url(url) or not same_origin(url, self._wsdl):
            raise Refused("The WSDL imports from another place than its own, which is not followed. Give a copy of it "
                          "with all its parts as a file.")
        answer = follow(self._wire, "GET", url, self._headers, None, self._deadline)
        if answer.status != 200:
            raise Outage(f"The system does not give its WSDL (HTTP status {answer.status}).")
        return answer.body

    def _opened(self, url: str) -> bytes:
        folder = Path(self._wsdl).resolve().parent
        path = Path(url).resolve()
        if is_url(url) or "://" in url or not path.is_relative_to(folder):
            raise Refused("The WSDL imports from outside of its folder, which is not read. Put all its parts there.")
        try:
            if not path.is_file():  # a pipe, for one, may never say anything
                raise OSError("no file")
            with path.open("rb") as file:
                body = file.read(MAX_BYTES + 1)
        except (OSError, ValueError):
            raise Outage("The file of the WSDL, or one that it imports, cannot be read.") from None
        return body


def follow(wire: Wire, method: str, url: str, headers: Mapping[str, str], body: bytes | None,
           deadline: float) -> Answer:
    """The answer, after redirects within the origin: of a GET any, of a POST those that let it stay one.

    Raises :class:`Outage` and, for a redirect to somewhere else, :class:`Refused`.
    """
    followed = (301, 302, 303, 307, 308) if method == "GET" else (307, 308)
    for _ in range(MAX_REDIRECTS + 1):
        left = deadline - time.monotonic()
        if left <= 0:
            raise Outage("The system did not answer in time.")
        answer = wire.exchange(method, url, headers, body, left)
        where = answer.headers.get("location")
        if where is None or answer.status not in followed:
            return answer
        url = _within(where, url)
    raise Refused("The system sends us from one address to the next without an end.")


def basic(user: str, password: str) -> str:
    """The value of the header ``Authorization``."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def is_url(text: str) -> bool:
    """Whether it is an address of the web, and not a path."""
    return text.lower().startswith(("http://", "https://"))


def same_origin(one: str, other: str) -> bool:
    """Whether two addresses have scheme, host and port in common."""
    try:
        return _origin(one) == _origin(other)
    except ValueError:
        return False


def _within(where: str, base: str) -> str:
    try:
        whole = urljoin(base, where)
    except ValueError:
        whole = ""
    if not where.isprintable() or not same_origin(whole, base):
        raise Refused("The system refers to an address of another system, which is not followed.")
    own, there = urlsplit(base), urlsplit(whole)
    safe = "/%:@!$&'()*+,;=?-._~[]"
    return (f"{own.scheme}://{own.netloc}{quote(there.path or '/', safe=safe)}"
            + (f"?{quote(there.query, safe=safe)}" if there.query else ""))


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)


def _known(namespace: str) -> bytes:
    return (f"<xsd:schema xmlns:xsd='http://www.w3.org/2001/XMLSchema' targetNamespace='{namespace}'>"
            f"{_INSIDE[namespace]}</xsd:schema>").encode()
