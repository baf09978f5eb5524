"""What may be shown of an envelope that failed? Everything but its credentials (``/diagnose``)."""

from __future__ import annotations

import datetime as dt
import html
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

DIAGNOSE = "diagnose"
"""The brand's choice by which failed envelopes are kept."""

KEPT_ENVELOPES = 20
KEPT = dt.timedelta(days=7)
MAX_ENVELOPE_CHARS = 64 * 1024
MASK = "***"

_NAMES = r"(?:[\w.-]{1,40}:)?(?:pass\w{0,40}|pwd|nonce|secret\w{0,40}|api_?key|token|binarysecuritytoken)"
_OPENS, _CLOSES = r"(?:<|&(?:amp;)*(?:lt|#60|#x0*3c);)", r"(?:>|&(?:amp;)*(?:gt|#62|#x0*3e);)"
_TAG = rf"((?:(?!{_CLOSES}|{_OPENS}).)*)"
_ELEMENT = re.compile(rf"({_OPENS}\s*{_NAMES}\b){_TAG}({_CLOSES})(.*?)(?={_OPENS}\s*/|\Z)", re.DOTALL | re.IGNORECASE)
_ATTRIBUTES = re.compile(r"""(?:\s+[\w:.-]+\s*=\s*(?:"[^"]*"|'[^']*'))*\s*/?""")
_ATTRIBUTE = re.compile(rf"(\b{_NAMES}\s*=\s*)(\"[^\"]*\"?|'[^']*'?|&quot;.*?(?:&quot;|\Z))", re.DOTALL | re.IGNORECASE)
_UNFINISHED = re.compile(rf"({_OPENS}\s*{_NAMES}\b){_TAG}(?={_OPENS}|\Z)", re.DOTALL | re.IGNORECASE)
_CDATA = re.compile(r"<!\[CDATA\[(.*?)(?:\]\]>|\Z)", re.DOTALL)
_SHORTEST_ECHO = 4

WITHHELD = ("<notShown>The credentials in this envelope are written in a form in which they cannot be masked, so "
            "nothing of it is kept.</notShown>")
_MOST_LAYERS = 8
_MARKUP = re.compile(r"<!--.*?-->|<\?.*?\?>|<!\[CDATA\[|\]\]>", re.DOTALL)
_BARE_ELEMENT = re.compile(rf"<\s*({_NAMES})\b", re.IGNORECASE)
_BARE_ATTRIBUTE = re.compile(rf"\b{_NAMES}\s*=\s*(?:\"([^\"]*)\"|'([^']*)')", re.IGNORECASE)
_MASKED = re.compile(rf"[^<>]*>\s*(?:{re.escape(MASK)})?\s*")
_MASKED_OPEN = re.compile(rf"(?:[^<>]*>)?\s*(?:{re.escape(MASK)}|\Z)")


@dataclass(frozen=True, slots=True)
class Seen:
    """One thing that was read: ``line`` (1-based) and ``path`` in the envelope, and the text there."""

    line: int
    path: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class FailedEnvelope:
    """A request that a SOAP door refused: ``envelope`` without credentials, and what was understood of it.

    ``line``: where in the envelope the reason lies, if that is known.
    """

    brand_id: int
    door: str
    code: str
    message: str
    envelope: str
    understood: tuple[Seen, ...]
    operation: str | None = None
    line: int | None = None
    request_id: str | None = None
    recorded_at: dt.datetime | None = field(default=None, compare=False)


def scrub(envelope: str) -> str:
    """The envelope with each password, secret, nonce and token replaced by ``***``, as element or attribute, raw or
    escaped, also where it is not well-formed; a secret that is repeated elsewhere is replaced there too.

    :data:`WITHHELD` instead where one may be left, for example in a tag whose letters are escaped one by one.
    """
    secrets: set[str] = set()

    def masked(found: re.Match[str]) -> str:
        inner = _CDATA.sub(lambda part: part[1], found[4]).strip()
        secrets.update(each for each in (inner, _plain(inner)) if len(each) >= _SHORTEST_ECHO)
        attributes = found[2] if _ATTRIBUTES.fullmatch(found[2]) else MASK
        return found[1] + attributes + found[3] + (MASK if inner else found[4])

    text = _UNFINISHED.sub(lambda found: found[1] + MASK, _ELEMENT.sub(masked, envelope))
    text = _ATTRIBUTE.sub(lambda found: f'{found[1]}"{MASK}"', text)
    for secret in sorted(secrets, key=len, reverse=True):
        for form in (secret, html.escape(secret, quote=False), html.escape(html.escape(secret, quote=False))):
            text = text.replace(form, MASK)
    return text if _is_masked(text) else WITHHELD


def _is_masked(text: str) -> bool:
    """Whether no credential is left, however often it is escaped and whatever comments and CDATA stand between."""
    for _ in range(_MOST_LAYERS):
        bare = html.unescape(_MARKUP.sub("", text))
        if bare == text:
            break
        text = bare
    else:
        return False
    values = (found[1] or found[2] or "" for found in _BARE_ATTRIBUTE.finditer(text))
    return all(value in ("", MASK) for value in values) and all(
        _is_element_masked(found[1], text[found.end():]) for found in _BARE_ELEMENT.finditer(text))


def _is_element_masked(name: str, rest: str) -> bool:
    """``rest`` is what follows the name in the opening tag of a credential."""
    closes = re.search(rf"<\s*/\s*{re.escape(name)}\b", rest, re.IGNORECASE)
    if re.match(r"[^<>]*/>", rest):
        return True
    return bool(_MASKED_OPEN.match(rest) if closes is None else _MASKED.fullmatch(rest, 0, closes.start()))


def line_of(understood: Sequence[Seen], name: str | None) -> int | None:
    """Where the member that a refusal names stands: ``subscriber[2].email`` is the ``email`` of the third one."""
    if not name:
        return None
    wanted = [part for part in re.split(r"[./]", name) if part]
    for seen in understood:
        steps = seen.path.split("/")[-len(wanted):]
        if len(steps) == len(wanted) and all(map(_fits, steps, wanted)):
            return seen.line
    return None


def _fits(step: str, wanted: str) -> bool:
    """Steps count from 1 and bear a number only where there are several; names in refusals count from 0."""
    asked, found = re.fullmatch(r"([^\[]*)(?:\[(\d+)\])?", wanted), re.fullmatch(r"([^\[]*)(?:\[(\d+)\])?", step)
    if not asked or not found or asked[1].lower() != found[1].lower():
        return False
    return asked[2] is None or int(asked[2]) + 1 == int(found[2] or 1)


def _plain(text: str) -> str:
    """Without as many layers of escaping as there are."""
    while (plain := html.unescape(text)) != text:
        text = plain
    return text
