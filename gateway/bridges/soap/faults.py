"""What does an answer of a SOAP service mean: done, refused, nobody there, or is the system away?"""

from __future__ import annotations

import re

from gateway.bridges.http.wire import Answer
from gateway.bridges.port import Outage, Refused
from gateway.bridges.soap.config import SoapConfig
from gateway.bridges.soap.reading import Node, read_tree

ENVELOPES = ("{http://schemas.xmlsoap.org/soap/envelope/}Envelope", "{http://www.w3.org/2003/05/soap-envelope}Envelope")
XML_TYPES = ("text/xml", "application/soap+xml", "application/xml", "")
AWAY_CODES = frozenset({
    "Server", "Receiver", "InternalServiceFault", "ServerTooBusy", "ServiceUnavailable", "EndpointUnavailable",
    "FailedAuthentication", "FailedCheck", "InvalidSecurity", "InvalidSecurityToken", "SecurityTokenUnavailable",
    "MessageExpired"})
"""Faults that say nothing about the record: an error of the server, a server that is busy, credentials that do not
count (any more)."""

_AWAY = (404, 408, 410, 425, 429)
_SHOWN = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,59}")


class Nobody(Refused):
    """The system says that it has nobody with this ID."""


def read_answer(answer: Answer, config: SoapConfig, *, may_be_empty: bool) -> Node | None:
    """The element of an answer below ``Body``; None where there is none and ``may_be_empty``.

    Raises :class:`Outage` for what is no SOAP answer, or a fault that is none of the record's; :class:`Nobody` and
    :class:`Refused` for the other faults.
    """
    if answer.status == 401:
        raise Outage("The system does not accept our credentials (HTTP status 401).")
    is_good = 200 <= answer.status < 300
    if is_good and not answer.body.strip() and may_be_empty:
        return None
    body = None if 300 <= answer.status < 400 else _body(answer, is_good)
    if body is not None:
        fault = body.first("Fault")
        if fault is not None:
            raise _meaning(fault, config)
    if not is_good:
        raise _status(answer.status)
    found = next((each[0] for each in body.children.values()), None) if body is not None else None
    if found is None and not may_be_empty:
        raise Outage("The system's answer is empty.")
    return found


def _body(answer: Answer, is_good: bool) -> Node | None:
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind not in XML_TYPES:
            what = "attachments" if kind.startswith("multipart/") else "something else than XML"
            raise Outage(f"The system answers with {what}. Check the bridge's configuration, or try later.")
        tag, root = read_tree(answer.body)
        body = root.first("Body") if tag in ENVELOPES else None
        if body is None:
            raise Outage("The system's answer is not one of SOAP.")
    except (Outage, Refused):
        if is_good:
            raise
        return None  # the page of a web server: its status says more
    return body


def _status(status: int) -> Exception:
    if status >= 500 or status in _AWAY:
        return Outage(f"The system is away or too busy (HTTP status {status}).")
    return Refused(f"The system does not take the request (HTTP status {status}).")


def _meaning(fault: Node, config: SoapConfig) -> Exception:
    """What a fault means, by all its codes: those that the configuration names first."""
    codes = _codes(fault)
    every = {part for code in codes for part in (code, *code.split("."))}
    every |= {name for detail in ("detail", "Detail") if (node := fault.first(detail)) is not None
              for name in node.children if not name.startswith("@")}
    own = config.faults
    shown = _shown(codes, config)
    if every & own.absent:
        return Nobody(f"The system has nobody with this ID{shown}.")
    if every & own.refused:
        return Refused(f"The system does not take the request{shown}.")
    if every & (own.away | AWAY_CODES):
        return Outage(f"The system has an error, or does not accept our credentials{shown}.")
    return Refused(f"The system does not take the request{shown}.")


def _codes(fault: Node) -> list[str]:
    """``faultcode`` of SOAP 1.1, or ``Code`` and ``Subcode``s of 1.2, without prefixes, the most exact one last."""
    old, code = fault.first("faultcode"), fault.first("Code")
    texts = [] if old is None else [old.text]
    while code is not None:
        value = code.first("Value")
        texts += [] if value is None else [value.text]
        code = code.first("Subcode")
    return [text.strip().rpartition(":")[2] for text in texts if text.strip()]


def _shown(codes: list[str], config: SoapConfig) -> str:
    """The last code, where it looks like one: the rest of a fault may name people and secrets."""
    code = codes[-1] if codes else ""
    if not _SHOWN.fullmatch(code) or any(secret in code or code in secret for secret in config.auth.secrets()):
        return " (it answers with a fault)"
    return f" (it answers with the fault {code})"
