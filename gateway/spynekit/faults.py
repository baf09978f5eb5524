"""How is a refusal written as a SOAP fault of the caller's version?

Written by hand: the layout of SOAP-85 is fixed and small, and Spyne's own writer adds elements that no standard knows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from spyne import Fault

from gateway.errors import GatewayError

KEPT_STATUSES = frozenset({405, 413, 415})
"""HTTP statuses that a SOAP answer shares with the other doors (SOAP-10); 401 has a rule of its own."""

REASONS = {400: "Bad Request", 401: "Unauthorized", 405: "Method Not Allowed", 413: "Content Too Large",
           415: "Unsupported Media Type", 500: "Internal Server Error"}
DEFAULT_RETRY_AFTER_S = 5
FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""Characters that XML 1.0 cannot carry at all (section 2.2)."""


@dataclass(frozen=True, slots=True)
class SoapVersion:
    """What differs between SOAP 1.1 and 1.2 on the wire."""

    name: str
    media_type: str
    envelope: str
    client: str
    server: str


SOAP11 = SoapVersion("1.1", "text/xml", "http://schemas.xmlsoap.org/soap/envelope/", "Client", "Server")
SOAP12 = SoapVersion("1.2", "application/soap+xml", "http://www.w3.org/2003/05/soap-envelope", "Sender", "Receiver")
VERSIONS = (SOAP11, SOAP12)


class SoapError(GatewayError):
    """A refusal for which SOAP has a fault code of its own: VersionMismatch or MustUnderstand."""

    def __init__(self, fault_code: str, message: str, *, not_understood: Sequence[str] = ()) -> None:
        super().__init__("INVALID_REQUEST", message)
        self.fault_code = fault_code
        self.not_understood = tuple(not_understood)
        """Header blocks in Clark notation that nobody here knows."""


class UnknownOperation(GatewayError):
    """The body's one element is no operation of this service."""

    def __init__(self, name: str) -> None:
        super().__init__("INVALID_REQUEST", f"There is no operation {name[:100]} in this namespace; see the WSDL.")


@dataclass(frozen=True, slots=True)
class FaultAnswer:
    """A fault ready to be sent."""

    status: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


def visible(text: str) -> str:
    """``text`` as one line of XML text: escaped, and with a question mark for what XML cannot carry."""
    return escape(FORBIDDEN.sub("?", " ".join(text.split())))


def as_gateway_error(error: Exception) -> GatewayError:
    """The refusal that an exception amounts to; whatever nobody foresaw is INTERNAL_ERROR and tells nothing."""
    if isinstance(error, GatewayError):
        return error
    if isinstance(error, Fault):
        return to_gateway_error(error)
    return GatewayError("INTERNAL_ERROR")


def to_gateway_error(fault: Fault) -> GatewayError:
    """Spyne's own fault in our words. Its text is dropped: it quotes values."""
    if str(fault.faultcode).split(".")[0] == "Client":
        return GatewayError("INVALID_REQUEST", "The request is not what this operation takes.")
    return GatewayError("INTERNAL_ERROR")


def status_of(error: GatewayError, version: SoapVersion) -> int:
    """The HTTP status of a fault (SOAP-10; SOAP 1.2 part 2 section 7.5.2.2 for the codes of its own)."""
    if error.status in KEPT_STATUSES:
        return error.status
    if version is SOAP11 or error.side == "Server" or isinstance(error, SoapError):
        return 500
    return 400


def render_fault(error: GatewayError, *, version: SoapVersion, tns: str, request_id: str, realm: str | None = None,
                 extra: Sequence[tuple[str, str]] = ()) -> FaultAnswer:
    """The SOAP fault for ``error`` with its HTTP status and headers (SOAP-10, SOAP-12, SOAP-85).

    ``realm`` is given when the caller sent no credential at all: then NOT_AUTHENTICATED asks for HTTP Basic with 401.
    ``extra`` are name and value pairs for the detail. Guarantees well-formed UTF-8 whatever the texts hold.
    """
    headers = [("Content-Type", f"{version.media_type}; charset=utf-8")]
    status = status_of(error, version)
    if error.code == "NOT_AUTHENTICATED" and realm is not None:
        status = 401
        headers.append(("WWW-Authenticate", f'Basic realm="{realm}", charset="UTF-8"'))
    if error.code in ("UNAVAILABLE", "TOO_MANY_REQUESTS"):
        headers.append(("Retry-After", str(error.retry_after_s or DEFAULT_RETRY_AFTER_S)))
    if status == 405:
        headers.append(("Allow", "GET, HEAD, POST"))
    detail = detail_xml(error, tns, request_id, extra)
    write = fault_11 if version is SOAP11 else fault_12
    body = ('<?xml version="1.0" encoding="utf-8"?>\n'
            f'<soap:Envelope xmlns:soap="{version.envelope}">{write(error, tns, detail)}</soap:Envelope>')
    return FaultAnswer(f"{status} {REASONS[status]}", tuple(headers), body.encode())


def detail_xml(error: GatewayError, tns: str, request_id: str, extra: Sequence[tuple[str, str]]) -> str:
    """The one ``GatewayFault`` element, members in the order of SOAP-85."""
    members = [("code", error.code), ("message", error.message)]
    if error.field:
        members.append(("field", error.field))
    members += [("requestId", request_id), ("retryable", "true" if error.retryable else "false")]
    inner = "".join(f"<tns:{name}>{visible(value)}</tns:{name}>" for name, value in members)
    for name, value in extra:
        inner += f"<tns:extra><tns:name>{visible(name)}</tns:name><tns:value>{visible(value)}</tns:value></tns:extra>"
    return f"<tns:GatewayFault xmlns:tns={quoteattr(tns)}>{inner}</tns:GatewayFault>"


def fault_11(error: GatewayError, tns: str, detail: str) -> str:
    """The body of a SOAP 1.1 fault: faultcode, faultstring and detail, nothing else."""
    code = error.fault_code if isinstance(error, SoapError) else error.side
    return (f"<soap:Body><soap:Fault><faultcode>soap:{code}</faultcode>"
            f"<faultstring>{visible(error.message)}</faultstring><detail>{detail}</detail></soap:Fault></soap:Body>")


def fault_12(error: GatewayError, tns: str, detail: str) -> str:
    """Header and body of a SOAP 1.2 fault; a subcode is a qualified name, so its prefix is declared where it stands."""
    header = header_12(error)
    if isinstance(error, SoapError):
        code = error.fault_code
    else:
        code = SOAP12.client if error.side == "Client" else SOAP12.server
    subcode = f"<soap:Subcode><soap:Value xmlns:tns={quoteattr(tns)}>tns:{error.code}</soap:Value></soap:Subcode>"
    return (f"{header}<soap:Body><soap:Fault><soap:Code><soap:Value>soap:{code}</soap:Value>{subcode}</soap:Code>"
            f'<soap:Reason><soap:Text xml:lang="en">{visible(error.message)}</soap:Text></soap:Reason>'
            f"<soap:Detail>{detail}</soap:Detail></soap:Fault></soap:Body>")


def header_12(error: GatewayError) -> str:
    """The header blocks that SOAP 1.2 part 1 sections 5.4.7 and 5.4.8 ask for beside the two special faults."""
    if not isinstance(error, SoapError):
        return ""
    if error.fault_code == "VersionMismatch":
        versions = "".join(f'<soap:SupportedEnvelope xmlns:v="{version.envelope}" qname="v:Envelope"/>'
                           for version in (SOAP12, SOAP11))
        return f"<soap:Header><soap:Upgrade>{versions}</soap:Upgrade></soap:Header>"
    blocks = []
    for tag in error.not_understood:
        namespace, _, name = tag.rpartition("}")
        blocks.append(f"<soap:NotUnderstood xmlns:h={quoteattr(namespace[1:])} qname={quoteattr('h:' + name)}/>"
                      if namespace[1:] else f"<soap:NotUnderstood qname={quoteattr(name)}/>")
    return f"<soap:Header>{''.join(blocks)}</soap:Header>"
