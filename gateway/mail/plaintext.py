"""What does an HTML part read like as plain text, with its links shown? (SEND-41)"""

from __future__ import annotations

import html
import re

from gateway.mail import links
from gateway.mail.links import Tag

_BLOCKS = frozenset({"address", "article", "blockquote", "center", "dd", "div", "dl", "dt", "fieldset", "footer",
                     "form", "header", "li", "main", "nav", "ol", "pre", "section", "table", "tr", "ul"})
_PARAGRAPHS = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "table", "blockquote", "hr"})
_SKIPPED = frozenset({"template", "noscript", "object", "svg"})

_MARKER = re.compile(r"(\{?)[\x02\x04](\d+)\x03")
_CONDITION_ON_ITS_OWN = re.compile(r"((?:^|\n)\s*\x04\d+\x03)\s+")
_LINE_BREAK = "\x05"  # a new line unless there is one already; templates have no control characters
_GAP = "\x06"  # beside an address: a blank where it would run into its neighbour
_NO_GAP = re.compile(r"""(?:^|(?<=[\s(\[{\x05]))\x06+|\x06+(?=[.,;:!?)\]}"'\u2019\u201d]*(?:[\s\x05]|$))""")
_STANDS_FOR = {"br": "\n", "hr": "\n\n----\n\n", "li": _LINE_BREAK + "* ", "/td": " ", "/th": " "}
_UNFINISHED = re.compile(r"<[a-zA-Z/!?].*", re.S)
_TEMPLATE_OPENING = re.compile(r"\{(?=[{%#])")


def from_html(template: str) -> str:
    """A text template that says what the HTML template says; its merge tags and conditions are kept.

    Links read ``text (https://...)``, list items begin with ``* ``. The input must be a template that compiles;
    the output may not, when a condition began in the text and ended in a part that has none (see below).
    """
    kept: list[str] = []

    def keep(atom: str) -> str:
        kept.append("" if atom.startswith("{#") else atom)
        return ("\x04" if atom.startswith("{%") else "\x02") + f"{len(kept) - 1}\x03"

    reader = _Reader(links.atoms(links.without_comments(template), keep))
    return _MARKER.sub(lambda m: (m[1] and "{ ") + kept[int(m[2])], reader.text()) + "\n"


def without_conditions(template: str) -> str:
    """The template with every ``{% %}`` taken out: what to do when they no longer pair up in the text."""
    return links.atoms(template, lambda atom: atom if atom.startswith("{{") else "")


class _Reader:
    """Collects text; blank lines and blanks are settled at the end."""

    def __init__(self, markup: str) -> None:
        self._markup = markup
        self._out: list[str] = []
        self._skipping: str | None = None
        self._link: tuple[str, int] | None = None
        at, raw = 0, False
        for tag in links.scan(markup):
            if not raw:
                self._text(markup[at:tag.start])
            self._tag(tag)
            at, raw = tag.end, tag.name in links.RAW_ELEMENTS
        if not raw:
            self._text(_UNFINISHED.sub("", markup[at:]))
        self._end_link()

    def text(self) -> str:
        """The lines: blanks run together, at most one empty line between two others."""
        spaced = re.sub(_GAP + "+", " ", _NO_GAP.sub("", "".join(self._out)))
        single = re.sub(" +", " ", spaced)  # first, so that no other pattern meets a long run of blanks
        joined = "\n".join(line.strip(" " + _LINE_BREAK) for line in single.split("\n"))
        lines = [line.strip() for line in re.sub(r" ?(?:\x05 ?)+", "\n", joined).split("\n")]
        text = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
        return _CONDITION_ON_ITS_OWN.sub(r"\1", text)

    def _text(self, raw: str) -> None:
        if raw and not self._skipping:
            self._out.append(_literal(re.sub(r"[ \t\r\n\f]+", " ", html.unescape(raw))))

    def _tag(self, tag: Tag) -> None:
        name = tag.name.removeprefix("/")
        if self._skipping:
            if tag.name == "/" + self._skipping:
                self._skipping = None
        elif tag.name in _SKIPPED:
            self._skipping = tag.name
        elif tag.name == "a":
            self._begin_link(links.first_attribute(self._markup, tag, "href"))
        elif tag.name == "/a":
            self._end_link()
        elif tag.name == "img":
            self._out.append(_literal(html.unescape(links.first_attribute(self._markup, tag, "alt"))))
        elif tag.name in _STANDS_FOR:
            self._out.append(_STANDS_FOR[tag.name])
        elif name in _PARAGRAPHS:
            self._out.append("\n\n")
        elif name in _BLOCKS:
            self._out.append(_LINE_BREAK)

    def _begin_link(self, href: str) -> None:
        self._end_link()  # links do not nest: a browser ends the one before
        if self._out and "://" in self._out[-1].rpartition(" ")[2]:
            self._out.append(_GAP)
        self._link = _shown(href), len(self._out)

    def _end_link(self) -> None:
        """Puts the address behind the text of the link, or in its place where the text says the same."""
        if self._link is None:
            return
        (url, start), self._link = self._link, None
        shown = "".join(self._out[start:]).strip()
        if url and shown in (url, url.removesuffix("/"), ""):
            self._out[start:] = [_GAP, url, _GAP]
        elif url and url.rstrip("/") not in ("http://" + shown, "https://" + shown):
            self._out += [f" ({url})", _GAP]


def _shown(href: str) -> str:
    """The address worth showing: web, mail or telephone; an anchor or a script is none."""
    href = links.url_of(href)
    for scheme in ("mailto:", "tel:"):
        if href.lower().startswith(scheme):
            return href[len(scheme):].partition("?")[0]
    return _literal(href) if href.lower().startswith(("http://", "https://", "\x02")) else ""


def _literal(text: str) -> str:
    """Braces that were character references in the HTML are text, not the template language."""
    return _TEMPLATE_OPENING.sub("{ ", text)
