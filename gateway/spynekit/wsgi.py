"""How does one HTTP request become one SOAP answer or fault?

One address may take both SOAP versions; a Spyne application for each stands behind it, over the same services. The top
function is the list of steps. Nothing is sent before the answer is complete (SOAP-84), and no exception leaves this
module.
"""

from __future__ import annotations

import logging
import secrets
import traceback
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from spyne.server.http import HttpMethodContext

from gateway import log as gateway_log
from gateway.errors import GatewayError
from gateway.spynekit import faults, transport
from gateway.spynekit.limits import Limits
from gateway.spynekit.protocols import KitApplication, build_application
from gateway.spynekit.schema import Validator
from gateway.spynekit.stream import UTF8, Stream, open_stream
from gateway.spynekit.transport import Environ

log = logging.getLogger("gateway.spynekit")

StartResponse = Callable[[str, list[tuple[str, str]]], object]
Document = bytes | Callable[[], bytes]
OK = "200 OK"


def new_request_id() -> str:
    """An id of one call, unguessable enough to be unique: ``r-`` and 24 hexadecimal digits."""
    return "r-" + secrets.token_hex(12)


@dataclass(slots=True)
class Call:
    """What an operation may know of the HTTP side of its call; it is ``ctx.udc``.

    ``answer_headers`` are added to the answer or fault alike. ``state`` is the door's own, for example its unit.
    """

    environ: Environ
    version: faults.SoapVersion
    request_id: str = field(default_factory=new_request_id)
    carried_credential: bool = False
    """Whether the request held a credential of any kind, right or wrong (SOAP-10)."""

    operation: str | None = None
    content: bytes = b""
    """The envelope as it came, once it has been read; of a streamed operation without the data."""

    stream: Stream | None = None
    """The data of an operation that is read as a stream; the request object holds the other members."""

    fault_extra: list[tuple[str, str]] = field(default_factory=list)
    """Name and value pairs for the ``extra`` of a fault's detail (SOAP-85), should the call end in one."""

    answer_headers: list[tuple[str, str]] = field(default_factory=list)
    state: dict[str, Any] = field(default_factory=dict)


class Dialect(Protocol):
    """How a door words what it refuses."""

    def code(self, error: Exception) -> str | None:
        """What the log calls this refusal; None for what nobody foresaw: its place is logged, as an error."""

    def fault(self, error: Exception, call: Call) -> faults.FaultAnswer:
        """The fault for whatever was raised, complete."""


@dataclass(frozen=True, slots=True)
class GatewayDialect:
    """Faults as SOAP-85 has them, with a ``GatewayFault`` of the namespace ``tns``; ``realm`` is for HTTP Basic."""

    tns: str
    realm: str

    def code(self, error: Exception) -> str | None:
        """The catalogue's code, None for INTERNAL_ERROR."""
        code = faults.as_gateway_error(error).code
        return None if code == "INTERNAL_ERROR" else code

    def fault(self, error: Exception, call: Call) -> faults.FaultAnswer:
        """The fault in the caller's version."""
        return faults.render_fault(
            faults.as_gateway_error(error), version=call.version, tns=self.tns, request_id=call.request_id,
            realm=None if call.carried_credential else self.realm, extra=call.fault_extra)


Watch = Callable[[Call, Exception], None]
"""Looks at a call that ends in a fault, and at the reason; it changes nothing about the answer."""


class SoapEndpoint:
    """A WSGI application for one SOAP address.

    ``services`` are Spyne service classes, ``tns`` the namespace, ``address`` the public URL. ``documents`` maps a
    query word in lower case (``wsdl``, ``wsdl11``) to the bytes served for it, or to a callable that returns them
    (SOAP-2). ``understood`` names further header blocks the door reads itself. ``streamed`` maps an operation to
    those members that it reads as a stream from ``ctx.udc.stream``: they are its last ones. ``versions`` are the SOAP
    versions it takes; ``dialect`` words its faults; ``home`` is the HTML page of a GET without a query, for which there
    is a plain one. ``watch`` is told of each call that ends in a fault. Threads may share it.
    """

    def __init__(self, services: Sequence[type], *, tns: str, name: str, address: str = "",
                 documents: Mapping[str, Document] | None = None, realm: str = "SOAP", limits: Limits | None = None,
                 understood: frozenset[str] = frozenset(),
                 streamed: Mapping[str, Collection[str]] | None = None,
                 versions: Sequence[faults.SoapVersion] = faults.VERSIONS, dialect: Dialect | None = None,
                 home: bytes | None = None, watch: Watch | None = None) -> None:
        self.tns = tns
        self.name = name
        self.address = address
        self.documents = dict(documents or {})
        self.dialect: Dialect = dialect or GatewayDialect(tns, realm)
        self.home = home
        self.watch = watch
        self.versions = tuple(versions)
        self.limits = limits or Limits()
        self.streamed = dict(streamed or {})
        self.applications: dict[str, KitApplication] = {
            version.name: build_application(list(services), tns=tns, name=name, version=version, limits=self.limits,
                                            understood=understood)
            for version in self.versions}

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answers one request (PEP 3333)."""
        version = transport.version_of(environ) or transport.likely_version(environ)
        version = version if version in self.versions else self.versions[0]
        call = Call(environ, version, carried_credential=bool(environ.get("HTTP_AUTHORIZATION", "").strip()))
        try:
            if environ["REQUEST_METHOD"] in ("GET", "HEAD"):
                status, headers, body = self.page(environ)
            else:
                status, headers, body = OK, soap_headers(version), self.answer(call)
        except Exception as error:  # the process boundary: every failure becomes a fault
            status, headers, body = self.fault(call, error)
        headers = [*headers, *call.answer_headers, ("X-Request-Id", call.request_id)]
        return send(environ, start_response, status, headers, body, self.limits)

    def answer(self, call: Call) -> bytes:
        """The complete answer of one call. Raises what is to become a fault."""
        require_soap_post(call.environ, self.versions)
        application = self.applications[call.version.name]
        received = ctx = HttpMethodContext(application.server, call.environ, call.version.media_type)
        ctx.udc = call
        try:
            protocol = application.in_protocol
            call.content, charset = self.content(call, protocol.checker)
            ctx.in_string = [call.content]
            protocol.create_in_document(ctx, charset)
            protocol.decompose_incoming_envelope(ctx, protocol.REQUEST)
            call.carried_credential = call.carried_credential or protocol.holds_credential(ctx.in_header_doc)
            ctx = protocol.generate_method_contexts(ctx)[0]
            call.operation = ctx.descriptor.name
            protocol.deserialize(ctx, protocol.REQUEST)
            application.process_request(ctx)
            application.server.get_out_string(ctx)
            return b"".join(ctx.out_string)
        finally:
            forget(ctx, received)
            if call.stream is not None:
                call.stream.close()

    def content(self, call: Call, checker: Validator) -> tuple[bytes, str | None]:
        """The envelope and its charset as the header names it; of a streamed operation the envelope without data."""
        call.stream = open_stream(call.environ, self.streamed, self.limits, checker)
        if call.stream is not None:
            return call.stream.head, UTF8
        _, charset = transport.media_type(call.environ)
        return transport.read_body(call.environ, self.limits), charset

    def page(self, environ: Environ) -> tuple[str, list[tuple[str, str]], bytes]:
        """What a GET shows: a published document, or a short text that names them (SOAP-7)."""
        word = environ.get("QUERY_STRING", "").partition("&")[0].partition("=")[0].lower()
        document = self.documents.get(word)
        if document is not None:
            content = document() if callable(document) else document
            return OK, [("Content-Type", "text/xml; charset=utf-8")], content
        if self.home is not None:
            return OK, [("Content-Type", "text/html; charset=utf-8")], self.home
        links = "".join(f"{self.address}?{each}\n" for each in self.documents)
        versions = " and ".join(each.name for each in self.versions)
        text = f"{self.name}: a SOAP {versions} service. Send a POST request; the WSDL is at\n{links}"
        return OK, [("Content-Type", "text/plain; charset=utf-8")], text.encode()

    def fault(self, call: Call, error: Exception) -> tuple[str, list[tuple[str, str]], bytes]:
        """The fault for whatever was raised, and one line of log about it."""
        code = self.dialect.code(error)
        if code is None:
            gateway_log.event(log, "soap call failed", level=logging.ERROR, request_id=call.request_id,
                              operation=call.operation, **describe(error))
        else:
            gateway_log.event(log, "soap call refused", request_id=call.request_id, operation=call.operation,
                              code=code)
        self.tell(call, error)
        answer = self.dialect.fault(error, call)
        return answer.status, list(answer.headers), answer.body

    def tell(self, call: Call, error: Exception) -> None:
        """Lets ``watch`` know; what goes wrong in it is logged, and the caller gets the answer all the same."""
        try:
            if self.watch is not None:
                self.watch(call, error)
        except Exception as failed:
            gateway_log.event(log, "soap refusal not kept", level=logging.ERROR, request_id=call.request_id,
                              **describe(failed))


def forget(*contexts: HttpMethodContext) -> None:
    """Ends Spyne's contexts and takes them apart: they refer to themselves, so that body, tree and answer would stay
    in memory until the next full garbage collection.
    """
    for ctx in contexts:
        if vars(ctx):
            ctx.close()
            vars(ctx).clear()


def require_soap_post(environ: Environ, versions: Sequence[faults.SoapVersion]) -> None:
    """Raises METHOD_NOT_ALLOWED or UNSUPPORTED_MEDIA_TYPE unless this is a POST of such an envelope (SOAP-7)."""
    if environ["REQUEST_METHOD"] != "POST":
        raise GatewayError("METHOD_NOT_ALLOWED", "Send a POST request; GET shows where the WSDL is.")
    if transport.version_of(environ) not in versions:
        taken = " or ".join(f"{each.media_type} (SOAP {each.name})" for each in versions)
        raise GatewayError("UNSUPPORTED_MEDIA_TYPE", f"Send {taken}; multipart and attachments are not taken, use "
                                                     "base64.")


def describe(error: BaseException) -> dict[str, str]:
    """Kind and place of an error, and of its causes, without its message: messages quote values and SQL."""
    kinds, seen = [], error
    while seen is not None and len(kinds) < 10:
        kinds.append(type(seen).__name__)
        seen = seen.__cause__ or seen.__context__
    return {"error": " < ".join(kinds), "trace": "".join(traceback.format_tb(error.__traceback__))}


def soap_headers(version: faults.SoapVersion) -> list[tuple[str, str]]:
    """The headers of an answer that is no fault."""
    return [("Content-Type", f"{version.media_type}; charset=utf-8")]


def send(environ: Environ, start_response: StartResponse, status: str, headers: list[tuple[str, str]], body: bytes,
         limits: Limits) -> list[bytes]:
    """Compresses if asked to and worth it, then hands headers and body to the server (SOAP-11)."""
    headers.append(("Vary", "Accept-Encoding"))
    if len(body) >= limits.gzip_answer_bytes and transport.accepts_gzip(environ):
        body = transport.compress(body)
        headers.append(("Content-Encoding", "gzip"))
    headers.append(("Content-Length", str(len(body))))
    start_response(status, headers)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

