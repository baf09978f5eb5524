"""Which links does a mailing have, and where do they stand? Cut out once, numbered, frozen (SEND-39, SEND-46)

Only the values of link attributes change; every other byte of the markup stays. The tokenizer works on a mask of
the template, equally long, in which merge tags are filled with one character that no markup has.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import dataclass
from html.entities import html5

from gateway.mail import personalise

_INNER = r"""(?:"(?:[^"\\]|\\.)*+"|'(?:[^'\\]|\\.)*+'|[^"'"""
_ATOM = re.compile(_INNER.join((r"\{\{", r"}]|\}(?!\}))*+\}\}|\{%")) + _INNER + r"%]|%(?!\}))*+%\}|\{\#.*?\#\}", re.S)
_EXPRESSION = re.compile(r"\{\{[-+]?(.*?)[-+]?\}\}", re.S)

_TAG_NAME = re.compile(r"[a-zA-Z][^\s/>\x00\x01]*")
_TAG_REST = re.compile(r"""(?:"[^"]*"|'[^']*'|[^"'>])*+>""")
_ATTRIBUTE = re.compile(r"""([^\s"'<>/=]+)\s*+(?:=\s*+(?:"([^"]*)"|'([^']*)'|([^\s"'<>`]+)))?""")
_TEXT_URL = re.compile(r"https?://[^\s<>\"\x01]+", re.I)
_WEB = re.compile(r"https?://[^/\s]", re.I)
_REFERENCE = re.compile(r"&(#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[a-zA-Z0-9]+;?)")
_COMMENT_END = re.compile(r"--!?>")
_COMMENT, _DECLARATION = "!--", "!"
RAW_ELEMENTS = frozenset({"script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes"})
_URL_ATTRIBUTES = frozenset({"href", "src", "action", "background"})
_LINK_ELEMENTS = frozenset({"a", "area"})

_Edit = tuple[int, int, str]


@dataclass(frozen=True, slots=True)
class Tag:
    """A piece of markup: ``a`` a start tag, ``/a`` an end tag, ``!--`` a comment, ``!`` a declaration.

    Attributes stand between ``name_end`` and the ``>`` before ``end``.
    """

    name: str
    start: int
    name_end: int
    end: int


def mask(template: str) -> str:
    """The template, equally long, with ``{{ }}`` filled with NUL, ``{% %}`` and ``{# #}`` with ``\\x01``."""
    return _ATOM.sub(lambda atom: ("\x00" if atom[0].startswith("{{") else "\x01") * len(atom[0]), template)


def atoms(template: str, replace: Callable[[str], str]) -> str:
    """The template with every tag, block and comment of the template language replaced."""
    return _ATOM.sub(lambda atom: replace(atom[0]), template)


def cut_html(template: str, urls: dict[str, int] | None, slot: Callable[[int], str], *, frozen: bool = False) -> str:
    """The HTML with each http(s) link of ``<a>`` and ``<area>`` replaced by ``slot(number)``.

    ``urls`` gives each URL its number and grows, or, ``frozen``, leaves others as they are; None tracks nothing. A link
    with a merge tag keeps its place and gets its values percent-encoded (SEND-40). ``mailto:``, ``tel:`` and anchors
    stay as they are.
    """
    masked = mask(template)
    edits: list[_Edit] = []
    for tag in scan(masked):
        if not tag.name[0].isalpha():
            continue
        seen = set()
        for found in _ATTRIBUTE.finditer(masked, tag.name_end, tag.end - 1):
            name = found[1].lower()
            group = next((g for g in (2, 3, 4) if found[g] is not None), None)
            if name in seen or group is None:
                continue
            seen.add(name)
            span = found.span(group)
            if name in _URL_ATTRIBUTES and ("\x00" in found[group]):
                edits.append((*span, _with_encoded_tags(template[slice(*span)])))
            elif name == "href" and tag.name in _LINK_ELEMENTS and urls is not None and "\x01" not in found[group]:
                url = url_of(template[slice(*span)])
                number = _number(url, urls, frozen)
                if number is not None:
                    edits.append((*span, slot(number)))
    return _edited(template, edits)


def cut_text(template: str, urls: dict[str, int] | None, slot: Callable[[int], str], *, frozen: bool = False) -> str:
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
        elif urls is not None and (number := _number(url, urls, frozen)) is not None:
            edits.append((found.start(), end, slot(number)))
    return _edited(template, edits)


def url_of(value: str) -> str:
    """The address that a browser makes of an attribute's text.

    A reference without its semicolon that goes on as a word or with "=" is none: ``?a=1&copy=2`` stays as it is.
    """
    def resolved(reference: re.Match[str]) -> str:
        known = reference[1].startswith("#") or reference[1] in html5
        goes_on = not reference[1].endswith(";") and value.startswith("=", reference.end())
        return html.unescape(reference[0]) if known and not goes_on else reference[0]

    return re.sub(r"[\t\r\n]", "", _REFERENCE.sub(resolved, value)).strip().replace(" ", "%20")


def first_attribute(markup: str, tag: Tag, name: str) -> str:
    """The text of an attribute as it is written, empty when there is none; the first of its name counts."""
    for found in _ATTRIBUTE.finditer(markup, tag.name_end, tag.end - 1):
        if found[1].lower() == name:
            return next((found[group] for group in (2, 3, 4) if found[group] is not None), "")
    return ""


def without_comments(template: str) -> str:
    """The HTML with only the conditions kept of each comment, so that they still pair up."""
    return _edited(template, [(tag.start, tag.end, _conditions(template[tag.start:tag.end]))
                              for tag in scan(mask(template)) if tag.name == _COMMENT])


def before_end_of_body(template: str, addition: str) -> str:
    """The HTML with ``addition`` put before the last ``</body>`` that is no comment, or at its end."""
    at = next((tag.start for tag in reversed(scan(mask(template))) if tag.name == "/body"), -1)
    return template + addition if at < 0 else template[:at] + addition + template[at:]


def _number(url: str, urls: dict[str, int], frozen: bool) -> int | None:
    """The number of a link, None for one that is not tracked."""
    if not _WEB.match(url):
        return None
    return urls.get(url) if frozen else urls.setdefault(url, len(urls))


def scan(markup: str) -> list[Tag]:
    """Every tag, comment and declaration in order, in linear time; stops at one that never ends, as browsers do.

    The inside of elements such as ``<script>`` is no markup and is left out.
    """
    tags: list[Tag] = []
    at = markup.find("<")
    while at >= 0:
        tag = _tag_at(markup, at)
        if tag is None:
            at = markup.find("<", at + 1)
            continue
        if tag.end < 0:
            break
        tags.append(tag)
        at = tag.end
        if tag.name in RAW_ELEMENTS:
            closing = re.compile(f"</{tag.name}", re.I).search(markup, at)
            if not closing:
                break
            at = closing.start()
        at = markup.find("<", at)
    return tags


def _tag_at(markup: str, at: int) -> Tag | None:
    """What begins with the ``<`` at this place; None: text. Its end is -1 when there is none."""
    if markup.startswith("<!--", at):
        closing = _COMMENT_END.search(markup, at + 2)
        return Tag(_COMMENT, at, at, closing.end() if closing else -1)
    slash = "/" if markup.startswith("/", at + 1) else ""
    name = _TAG_NAME.match(markup, at + 1 + len(slash))
    if name:
        rest = _TAG_REST.match(markup, name.end())
        return Tag(slash + name[0].lower(), at, name.end(), rest.end() if rest else -1)
    if markup.startswith(("!", "?", "/"), at + 1):
        return Tag(_DECLARATION, at, at, markup.find(">", at) + 1 or -1)
    return None


def _conditions(text: str) -> str:
    """The ``{% %}`` of a text without anything else."""
    return "".join(atom[0] for atom in _ATOM.finditer(text) if atom[0].startswith("{%"))


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
