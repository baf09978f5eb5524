"""How is an answer written? As text without any prefix: old clients compare qualified names (aapi.md section 4)."""

from __future__ import annotations

from xml.sax.saxutils import escape

from gateway.spynekit.faults import FORBIDDEN

SUCCESS, FAILURE = "success", "failure"


def clean(text: str) -> str:
    """``text`` escaped for an element, without the characters that XML 1.0 forbids."""
    return escape(FORBIDDEN.sub("", text))


def attribute(text: str) -> str:
    """``text`` escaped for an attribute in double quotes."""
    return escape(FORBIDDEN.sub("", text), {'"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})


def leaf(name: str, value: str | int) -> str:
    """An element with text."""
    return f"<{name}>{clean(str(value))}</{name}>"


def group(name: str, *parts: str) -> str:
    """An element with elements that are written already."""
    return f"<{name}>{''.join(parts)}</{name}>"


def status(message: str, *, ok: bool = True) -> str:
    """The end of every action's answer; ``success`` is compared exactly, in lower case."""
    return group("ActionStatus", leaf("Status", SUCCESS if ok else FAILURE), leaf("Message", message))
