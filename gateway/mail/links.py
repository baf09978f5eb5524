"""Which links does a mailing have, and where do they stand? Cut out once, numbered, frozen (SEND-39, SEND-46)

Only the values of link attributes change; every other byte of the markup stays. The tokenizer works on a mask of
the template, equally long, in which merge tags are filled with one character that no markup has.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from html.entities import html5
from typing import NamedTuple

from gateway.mail import personalise

_INNER = r"""(?:"(?:[^"\\]|\\.)*+"|'(?:[^'\\]|\\.)*+'|[^"'"""
_ATOM = re.compile(_INNER.join((r"\{\{", r"}]|\}(?!\}))*+\}\}|\{%")) + _INNER + r"%]|%(?!\}))*+%\}|\{\#.*?\#\}", re.S)
_EXPRESSION = re.compile(r"\{\{[-+]?(.*?)[-+]?\}\}", re.S)

_TAG = re.compile(r"""<(?:(!--)|(/?[a-zA-Z][^\s/>\x00\x01]*)((?:"[^"]*"|'[^']*'|[^"'>])*+>)?|[!?/])""")
_ATTRIBUTE = re.compile(r"""([^\s"'<>/=]+)\s*+(?:=\s*+(?:"([^"]*)"|'([^']*)'|([^\s"'<>`]+)))?""")
_UNQUOTED = 4
_TEXT_URL = re.compile(r"https?://[^\s<>\"\x01]+", re.I)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.I)
_WEB = re.compile(r"https?://[^/\s]", re.I)
_REFERENCE = re.compile(r"&(#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[a-zA-Z0-9]+;?)")
_COMMENT_END = re.compile(r"--!?>")
_COMMENT, _DECLARATION = "!--", "!"
RAW_ELEMENTS = frozenset({"script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes"})
_URL_ATTRIBUTES = frozenset({"href", "src", "action", "background", "formaction", "poster", "xlink:href"})
_LINK_ELEMENTS = frozenset({"a", "area"})

_Edit = tuple[int, int, str]


class Tag(NamedTuple):
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
    with a merge tag keeps its place and gets its values percent-encoded, any other attribute with one gets quotes,
    which its value cannot end (SEND-40). ``mailto:``, ``tel:`` and anchors stay as they are.
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
            if group is None:
                continue
            span, has_tag = found.span(group), "\x00" in found[group]
            if group == _UNQUOTED and has_tag and name not in _URL_ATTRIBUTES:
                edits.append((*span, f'"{template[slice(*span)]}"'))
            if name in seen:
                continue
            seen.add(name)
            if name in _URL_ATTRIBUTES and has_tag:
                edits.append((*span, with_encoded_tags(template[slice(*span)])))
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
            edits.append((found.start(), end, with_encoded_tags(url)))
        elif urls is not None and (number := _number(url, urls, frozen)) is not None:
            edits.append((found.start(), end, slot(number)))
    return _edited(template, edits)


def with_encoded_tags(url: str) -> str:
    """The link with its merge tags percent-encoded; one that starts the link may bring a whole web address."""
    starts_at = len(url) - len(url.lstrip())

    def encoded(atom: re.Match[str]) -> str:
        expression = expression_of(atom[0])
        return personalise.tags_in_url(expression, atom.start() == starts_at) if expression else atom[0]

    return _ATOM.sub(encoded, url)


def expression_of(atom: str) -> str:
    """What stands between the braces of a merge tag; empty for a block or a comment."""
    found = _EXPRESSION.fullmatch(atom)
    return found[1].strip() if found else ""


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
    masked = mask(template)
    tags = scan(masked)
    edits = [(tag.start, tag.end, _conditions(template[tag.start:tag.end])) for tag in tags if tag.name == _COMMENT]
    unfinished = _end_of_markup(masked, tags)
    return _edited(template, [*edits, (unfinished, len(template), _conditions(template[unfinished:]))])


def before_end_of_body(template: str, addition: str) -> str:
    """The HTML with ``addition`` put before the last ``</body>`` that is no comment, or where all that can be seen
    ends: a comment or tag that is never closed would swallow it."""
    masked = mask(template)
    tags = scan(masked)
    at = next((tag.start for tag in reversed(tags) if tag.name == "/body"), _end_of_markup(masked, tags))
    return template[:at] + addition + template[at:]


def relative(template: str) -> list[str]:
    """The addresses of links and images that lead nowhere from a mail, for they name no scheme, as ``/agenda.html``."""
    masked = mask(template)
    found = {}
    for tag in scan(masked):
        name = "href" if tag.name in _LINK_ELEMENTS else "src" if tag.name == "img" else None
        value = first_attribute(masked, tag, name).strip() if name else ""
        if value and not value.startswith(("#", "\x00", "\x01")) and not _SCHEME.match(value):
            found[value.replace("\x00", "").replace("\x01", "")] = True
    return list(found)


def _end_of_markup(markup: str, tags: list[Tag]) -> int:
    """Where the last thing begins that is never closed, or the end."""
    last = tags[-1] if tags else None
    if last and last.name in RAW_ELEMENTS:
        return last.start
    found = _TAG.search(markup, last.end if last else 0)
    return found.start() if found else len(markup)


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
    found = _TAG.search(markup)
    while found:
        tag = _tag(found)
        if tag.end < 0:
            break
        tags.append(tag)
        at = tag.end
        if tag.name in RAW_ELEMENTS:
            closing = re.compile(f"</{tag.name}", re.I).search(markup, at)
            if not closing:
                break
            at = closing.start()
        found = _TAG.search(markup, at)
    return tags


def _tag(found: re.Match[str]) -> Tag:
    """What begins with a ``<`` that is no text. Its end is -1 when there is none."""
    start = found.start()
    if found[2]:
        return Tag(found[2].lower(), start, found.end(2), found.end(3))
    if found[1]:
        closing = _COMMENT_END.search(found.string, start + 2)
        return Tag(_COMMENT, start, start, closing.end() if closing else -1)
    return Tag(_DECLARATION, start, start, found.string.find(">", start) + 1 or -1)


def _conditions(text: str) -> str:
    """The ``{% %}`` of a text without anything else."""
    return "".join(atom[0] for atom in _ATOM.finditer(text) if atom[0].startswith("{%"))


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
