"""How does a bulk operation write its answer as text, past Spyne's object tree?

Thirty times cheaper for a report of a thousand rows, and as safe as long as every value goes through
:func:`xml_text`.
"""

from __future__ import annotations

from xml.sax.saxutils import escape

from spyne import MethodContext

from gateway.spynekit.faults import FORBIDDEN

CARRIAGE_RETURN = {"\r": "&#13;"}


def xml_text(value: str) -> str:
    """``value`` as element text. Raises ``ValueError`` (without the value) for what XML 1.0 cannot carry."""
    if FORBIDDEN.search(value):
        raise ValueError("a text of the answer holds a character that XML cannot carry")
    return escape(value, CARRIAGE_RETURN)


def element(name: str, value: str | None) -> str:
    """``<name>value</name>``, or nothing for None: absent, never nil (SOAP-22). ``name`` may have a prefix."""
    return "" if value is None else f"<{name}>{xml_text(value)}</{name}>"


def raw_answer(ctx: MethodContext, inner_xml: str) -> None:
    """Makes ``inner_xml``, the finished response element, the answer of this call in the caller's SOAP version.

    ``inner_xml`` declares its own namespaces and has no XML declaration; it is sent as it is. The operation's return
    value is not used then. May be called again: the last one counts.
    """
    envelope = ctx.out_protocol.version.envelope
    ctx.out_string = [(f'<?xml version="1.0" encoding="utf-8"?>\n<soap:Envelope xmlns:soap="{envelope}"><soap:Body>'
                       f"{inner_xml}</soap:Body></soap:Envelope>").encode()]
