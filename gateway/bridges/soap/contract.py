"""Which operations does a foreign WSDL offer, where, and what do its messages look like?"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from dataclasses import dataclass

import zeep
from lxml import etree
from zeep import xsd
from zeep.proxy import ServiceProxy
from zeep.wsdl import Document
from zeep.wsdl.bindings.soap import SoapBinding, SoapOperation
from zeep.xsd import AnySimpleType
from zeep.xsd.types.builtins import Decimal, Double, Float

from gateway.bridges.http.places import Json
from gateway.bridges.http.wire import Wire
from gateway.bridges.port import Outage, Refused
from gateway.bridges.soap.config import SoapConfig, service_address
from gateway.bridges.soap.documents import Documents, is_url, same_origin
from gateway.errors import GatewayError

KEPT_S, MAX_KEPT = 300.0, 16
MAX_SHOWN = 20
log = logging.getLogger("gateway.bridges")


class Misfit(Refused):
    """The configuration and the WSDL do not fit each other."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent for a call. ``headers``: those of HTTP that belong to it."""

    url: str
    headers: dict[str, str]
    body: bytes


class _Drawer:
    """What zeep posts into: it gets the message back, and nothing is sent."""

    def post_xml(self, url: str, envelope: etree._Element, headers: dict[str, str]) -> Message:
        """The message, as ready bytes."""
        body = etree.tostring(envelope, xml_declaration=True, encoding="utf-8")
        return Message(url, dict(headers), body)


class Contract:
    """A WSDL that was read, and the one port of it that is used. It may be used by several threads."""

    def __init__(self, document: Document, config: SoapConfig) -> None:
        self._types = document.types
        self._auth = config.auth
        self._binding, found = _port(document, config)
        self.url = _endpoint(found, config)
        self._client = zeep.Client(document, wsse=None, transport=_Drawer(), settings=zeep.Settings(raw_response=True))

    def message(self, name: str, given: dict[str, Json]) -> Message:
        """The message that calls an operation with these arguments. Raises :class:`Refused` where they do not fit."""
        body, header = self._operation(name).input.body, self._header()
        try:
            if body is not None:
                _check_shape(body, given)
            # a client of its own: a digest is made for one message
            client = zeep.Client(self._client.wsdl, wsse=self._auth.wsse(), transport=self._client.transport,
                                 settings=self._client.settings)
            return ServiceProxy(client, self._binding, address=self.url)[name](
                **given, **({} if header is None else {"_soapheaders": [header]}))
        except Exception as error:  # zeep raises whatever it stumbles over: a wrong name, a wrong shape, a bad letter
            log.info("arguments do not fit a foreign WSDL", extra={"fields": {"error": type(error).__name__}})
            raise Misfit(f"The arguments of {name} do not fit the WSDL. {self._takes(name)}") from None

    def answers(self, name: str) -> bool:
        """Whether an operation has an answer at all."""
        output = self._operation(name).output
        return output is not None and output.body is not None

    def answer_name(self, name: str) -> str | None:
        """What the element of an answer is called; None where the WSDL leaves it open."""
        operation = self._operation(name)
        body = operation.output.body if operation.output is not None else None
        return None if body is None or operation.style == "rpc" or body.name == "Body" else body.name

    def declared(self, name: str, *paths: str) -> xsd.Element | None:
        """The element that stands at these paths, one below the other; None where the WSDL leaves that open.

        Raises :class:`Misfit` where by the WSDL there can be nothing.
        """
        operation = self._operation(name)
        element = operation.output.body if operation.output is not None else None
        if element is None or element.name == "Body":
            return None
        for step in ".".join(filter(None, paths)).split("."):
            if not step or step == "*" or step.isdecimal():
                continue
            if step.startswith("@") or not isinstance(element.type, xsd.ComplexType):
                return None
            inner = [each for _, each in element.type.elements]
            below = next((each for each in inner if isinstance(each, xsd.Element) and each.name == step), None)
            if below is None:
                if not inner or any(not isinstance(each, xsd.Element) for each in inner):
                    return None
                raise Misfit(f"By the WSDL the answer of {name} has no {step} there. It has "
                             f"{_names(each.name for each in inner)}.")
            element = below
        return element

    def repeats(self, name: str, *paths: str) -> bool:
        """Whether the element at these paths may come several times, as far as the WSDL says so."""
        element = self._surely(name, *paths)
        return element is not None and bool(element.accepts_multiple)

    def is_number(self, name: str, *paths: str) -> bool:
        """Whether what stands at these paths is a number that may be written with a fraction."""
        element = self._surely(name, *paths)
        return element is not None and isinstance(element.type, Decimal | Double | Float)

    def _surely(self, name: str, *paths: str) -> xsd.Element | None:
        try:
            return self.declared(name, *paths)
        except Misfit:
            return None  # a type that extends the declared one may have it

    def _operation(self, name: str) -> SoapOperation:
        try:
            return self._binding.get(name)
        except (KeyError, ValueError):
            raise Misfit(f"The WSDL has no operation {name}. It has {_names(self._binding.all())}.") from None

    def _takes(self, name: str) -> str:
        try:
            inner = self._operation(name).input.body.type.elements
            return f"It takes {_names(each for each, _ in inner)}." if inner else "It takes none."
        except Exception:  # whatever such a message is made of
            return "Compare them with it."

    def _header(self) -> object | None:
        element, value = self._auth.header(), self._auth.value
        if element is None or not isinstance(value, dict):
            return element
        try:
            return self._types.get_element(element.tag)(**value)
        except Exception:  # not declared, or not so: then it goes as the configuration has it
            return element


_kept: dict[bytes, tuple[float, Contract]] = {}
_lock = threading.Lock()


def contract(config: SoapConfig, wire: Wire, limit_s: float) -> Contract:
    """What the WSDL of a configuration offers; kept for five minutes, in memory only: reading it takes its time.

    Raises :class:`Outage` where it cannot be had or read, :class:`Refused` where it may not be used.
    """
    key, now = _key(config), time.monotonic()
    with _lock:
        kept = _kept.get(key)
    if kept is not None and kept[0] > now:
        return kept[1]
    made = Contract(_document(config, wire, limit_s), config)
    with _lock:
        for old in [each for each, (until, _) in _kept.items() if until <= now]:
            del _kept[old]
        while len(_kept) >= MAX_KEPT:
            del _kept[next(iter(_kept))]
        _kept[key] = (now + KEPT_S, made)
    return made


def forget(config: SoapConfig) -> None:
    """Lets go of what was kept of a WSDL: it does not fit (any more), and the next one reads it anew."""
    with _lock:
        _kept.pop(_key(config), None)


def _key(config: SoapConfig) -> bytes:
    return hashlib.sha256(config.identity.encode()).digest()


def _document(config: SoapConfig, wire: Wire, limit_s: float) -> Document:
    documents = Documents(config.wsdl, wire, config.auth.http_headers(), limit_s)
    settings = zeep.Settings(strict=True, forbid_dtd=True, forbid_entities=True, xml_huge_tree=False)
    try:
        return Document(config.wsdl, documents, settings=settings)
    except (Outage, Refused):
        raise
    except Exception as error:  # zeep raises whatever it stumbles over in a document of somebody else
        log.warning("a foreign WSDL cannot be read", extra={"fields": {"error": type(error).__name__}})
        raise Outage("The system's WSDL cannot be read.") from None
    finally:
        documents.close()


def _port(document: Document, config: SoapConfig) -> tuple[SoapBinding, str]:
    services = {name: service for name, service in document.services.items() if service.ports}
    if not services:
        raise Misfit("The WSDL has no service that speaks SOAP.")
    name = config.service or next(iter(services))
    if name not in services:
        raise Misfit(f"The WSDL has no service {name}. It has {_names(services)}.")
    ports = services[name].ports
    chosen = config.port or next(iter(ports))
    if chosen not in ports:
        raise Misfit(f"The WSDL's service has no port {chosen}. It has {_names(ports)}.")
    options = ports[chosen].binding_options or {}
    return ports[chosen].binding, options.get("address") or ""


def _endpoint(found: str, config: SoapConfig) -> str:
    """Where to call. What a WSDL names counts only where the WSDL itself came from: credentials go there."""
    if config.endpoint is not None:
        return config.endpoint
    if is_url(config.wsdl):
        if not same_origin(found, config.wsdl):
            raise Misfit("The WSDL names an address of another system than its own. Give the right one as endpoint.")
        return found
    try:
        return service_address("endpoint", found, config.plain_http)
    except GatewayError:
        raise Misfit("The WSDL names no address that may be called. Give it as endpoint.") from None


def _check_shape(element: xsd.Element, value: Json) -> None:
    """zeep would write a list or an object where a text belongs as Python shows it."""
    if isinstance(value, list):
        if not element.accepts_multiple:
            raise ValueError("a list for what comes once")
        for each in value:
            _check_shape(element, each)
    elif isinstance(value, dict):
        if isinstance(element.type, AnySimpleType):
            raise ValueError("an object for a text")
        for name, inner in element.type.elements if isinstance(element.type, xsd.ComplexType) else ():
            if name in value and isinstance(inner, xsd.Element):
                _check_shape(inner, value[name])


def _names(names: object) -> str:
    """Names of a WSDL for a person, as few and as harmless as they should be."""
    shown = [str(each) for each in names if str(each).isidentifier() and len(str(each)) < 60]  # type: ignore[attr-defined]
    return ", ".join(shown[:MAX_SHOWN]) + (" and others" if len(shown) > MAX_SHOWN else "") if shown else "none"
