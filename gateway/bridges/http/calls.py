"""What does the call of a configured template look like for one person or fact?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from gateway.bridges.checks import PARAMETERS
from gateway.bridges.http.places import Json
from gateway.bridges.port import Refused, WritebackItem
from gateway.clock import instant

SLOT = re.compile(r"\{([a-z_]+)\}")
KEY_SLOT = re.compile(r"\{field\}")
"""The one slot that a key of a body may be: interfaces name a field so, ``{"custom": {"{field}": "{value}"}}``."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request with slots such as ``{remote_id}`` in its path and in the texts of its body."""

    method: str
    path: str
    body: Json

    def slots(self) -> set[str]:
        """The names of all slots."""
        return {name for text in (self.path, *texts_of(self.body)) for name in SLOT.findall(text)}


def values(item: WritebackItem) -> dict[str, Json]:
    """What the slots of a writeback stand for."""
    return {name: getattr(item, name) for name in PARAMETERS} | {"occurred_at": instant(item.occurred_at)}


def filled_path(path: str, known: Mapping[str, Json]) -> str:
    """The path with its slots filled, each as one piece. Raises :class:`Refused` for one that would climb."""
    def piece(found: re.Match[str]) -> str:
        value = known[found.group(1)]
        text = "" if value is None else str(value)
        if text in (".", ".."):
            raise Refused("The remote ID cannot be part of an address.")
        return quote(text, safe="")

    return SLOT.sub(piece, path)


def filled_body(body: Json, known: Mapping[str, Json]) -> Json:
    """The body with its slots filled. A text that is one slot becomes its value, null where there is none."""
    if isinstance(body, dict):
        return {str(known["field"]) if KEY_SLOT.fullmatch(key) else key: filled_body(each, known)
                for key, each in body.items()}
    if isinstance(body, list):
        return [filled_body(each, known) for each in body]
    if not isinstance(body, str):
        return body
    whole = SLOT.fullmatch(body)
    if whole is not None:
        return known[whole.group(1)]
    return SLOT.sub(lambda found: "" if known[found.group(1)] is None else str(known[found.group(1)]), body)


def texts_of(body: Json) -> list[str]:
    """All texts of a body that may have slots, and the keys that are one."""
    if isinstance(body, dict):
        return [key for key in body if KEY_SLOT.fullmatch(key)] + [
            text for each in body.values() for text in texts_of(each)]
    if isinstance(body, list):
        return [text for each in body for text in texts_of(each)]
    return [body] if isinstance(body, str) else []
