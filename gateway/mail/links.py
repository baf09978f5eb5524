"""Which links does a mailing have, and where do they stand? Cut out once, numbered, frozen (SEND-39, SEND-46)

Only the values of link attributes change; every other byte of the markup stays. The tokenizer works on a mask of
the template, equally long, in which merge tags are filled with one character that no markup has.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable

from gateway.mail import personalise

_INNER = r"""(?:"(?:[^"\\]|\\.)*+"|'(?:[^'\\]|\\.)*+'|[^"'"""
_ATOM = re.compile(_INNER.join((r"\{\{", r"}]|\}(?!\}))*+\}\}|\{%")) + _INNER + r"%]|%(?!\}))*+%\}|\{\#.*?\#\}", re.S)
_EXPRESSION = re.compile(r"\{\{[-+]?(.*?)[-+]?\}\}", re.S)

_TAG_NAME = re.compile(r"[a-zA-Z][^\s/>\x00\x01]*")
_TAG_REST = re.compile(r"""(?:"[^"]*"|'[^']*'|[^"'>])*+>""")
_ATTRIBUTE = re.compile(r"""([^\s"'<>/=]+)\s*+(?:=\s*+(?:"([^"]*)"|'([^']*)'|([^\s"'<>`]+)))?""")
_TEXT_URL = re.compile(r"https?://[^\s<>\"\x01]+", re.I)
_WEB = re.compile(r"https?://[^/\s]", re.I)
_RAW_ELEMENTS = frozenset({"script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes"})
_URL_ATTRIBUTES = frozenset({"href", "src", "action", "background"})
_LINK_ELEMENTS = frozenset({"a", "area"})

_Edit = tuple[int, int, str]


def mask(template: str) -> str:
    """The template, equally long, with ``{{ }}`` filled with NUL, ``{% %}`` and ``{# #}`` with ``\\x01``."""
    return _ATOM.sub(lambda atom: ("\x00" if atom[0].startswith("{{") else "\x01") * len(atom[0]), template)


def atoms(template: str, replace: Callable[[str], str]) -> str:
    """The template with every tag, block and comment of the template language replaced."""
    return _ATOM.sub(lambda atom: replace(atom[0]), template)


def cut_html(template: str, urls: dict[str, int] | None, slot: Callable[[int], str]) -> str:
    """The HTML with each http(s) link of ``<a>`` and ``<area>`` replaced by ``slot(number)``.

    ``urls`` gives each URL its number and grows; None tracks nothing. A link with a merge tag keeps its place
    and gets its values percent-encoded (SEND-40). ``mailto:``, ``tel:`` and anchors stay as they are.
    """
    masked = mask(template)
    edits: list[_Edit] = []
    for element, start, end in _tags(masked):
        seen = set()
        for found in _ATTRIBUTE.finditer(masked, start, end):
            name = found[1].lower()
            group = next((g for g in (2, 3, 4) if found[g] is not None), None)
            if name in seen or group is None:
                continue
            seen.add(name)
            span = found.span(group)
            if name in _URL_ATTRIBUTES and ("\x00" in found[group]):
                edits.append((*span, _with_encoded_tags(template[slice(*span)])))
            elif name == "href" and element in _LINK_ELEMENTS and urls is not None and "\x01" not in found[group]:
                url = re.sub(r"[\t\r\n]", "", html.unescape(template[slice(*span)])).strip()
                if _WEB.match(url):
                    edits.append((*span, slot(urls.setdefault(url, len(urls)))))
    return _edited(template, edits)


def cut_text(template: str, urls: dict[str, int] | None, slot: Callable[[int], str]) -> str:
    """The text with each plain http(s) URL replaced by ``slot(number)``; otherwise as :func:`cut_html`."""
    masked = mask(template)
    edits: list[_Edit] = []
    for found in _TEXT_URL.finditer(masked):
        end = found.start() + len(_without_punctuation(found[0]))
        url = template[found.start():end]
        if not _WEB.match(url):
            continue
        if "\x00" in found[0]:
            edits.append((found.start(), end, _with_encoded_tags(url)))
        elif urls is not None:
            edits.append((found.start(), end, slot(urls.setdefault(url, len(urls)))))
    return _edited(template, edits)


def before_end_of_body(template: str, addition: str) -> str:
    """The HTML with ``addition`` put before the last ``</body>``, or at its end."""
    at = mask(template).lower().rfind("</body")
    return template + addition if at < 0 else template[:at] + addition + template[at:]


def _tags(masked: str) -> list[tuple[str, int, int]]:
    """Every start tag: element name, start and end of its attributes. Stops at markup that never ends."""
    tags: list[tuple[str, int, int]] = []
    at = masked.find("<")
    while at >= 0:
        end = at + 1
        name = _TAG_NAME.match(masked, end)
        if masked.startswith("<!--", at):
            end = masked.find("-->", at + 4)
            if end < 0:
                break
        elif name:
            rest = _TAG_REST.match(masked, name.end())
            if not rest:
                break
            element, end = name[0].lower(), rest.end()
            tags.append((element, name.end(), end - 1))
            if element in _RAW_ELEMENTS:
                closing = re.compile(f"</{element}", re.I).search(masked, end)
                if not closing:
                    break
                end = closing.end()
        at = masked.find("<", end)
    return tags


def _with_encoded_tags(url: str) -> str:
    """The link with its merge tags percent-encoded; one that starts the link may bring a whole web address."""
    starts_at = len(url) - len(url.lstrip())

    def encoded(atom: re.Match[str]) -> str:
        expression = _EXPRESSION.fullmatch(atom[0])
        return personalise.tags_in_url(expression[1], atom.start() == starts_at) if expression else atom[0]

    return _ATOM.sub(encoded, url)


def _without_punctuation(url: str) -> str:
    """A URL in running text ends before a bracket that it did not open, and not with the sentence's full stop."""
    waiting: list[str] = []
    for at, char in enumerate(url):
        if char in _CLOSING:
            waiting.append(_CLOSING[char])
        elif char in ")]}" and (not waiting or waiting.pop() != char):
            return url[:at].rstrip(_SENTENCE_ENDS)
    return url.rstrip(_SENTENCE_ENDS)


_CLOSING = {"(": ")", "[": "]", "{": "}"}
_SENTENCE_ENDS = ".,;:!?'\u2019\u201d*_"


def _edited(template: str, edits: list[_Edit]) -> str:
    out, at = [], 0
    for start, end, text in edits:
        out += (template[at:start], text)
        at = end
    return "".join([*out, template[at:]])
