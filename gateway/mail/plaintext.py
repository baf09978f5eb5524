"""What does an HTML part read like as plain text, with its links shown? (SEND-41)"""

from __future__ import annotations

import re
from html.parser import HTMLParser

from gateway.mail import links

_BLOCKS = frozenset({"address", "article", "blockquote", "center", "dd", "div", "dl", "dt", "fieldset", "footer",
                     "form", "header", "li", "main", "nav", "ol", "pre", "section", "table", "tr", "ul"})
_PARAGRAPHS = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "table", "blockquote", "hr"})
_SKIPPED = frozenset({"head", "script", "style", "title", "template", "noscript", "object", "svg"})
_CELLS = frozenset({"td", "th"})

_MARKER = re.compile(r"(\{?)[\x02\x04](\d+)\x03")
_CONDITION_ON_ITS_OWN = re.compile(r"((?:^|\n)\s*\x04\d+\x03)\s+")
_LINE_BREAK = "\x05"  # a new line unless there is one already; templates have no control characters
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

    reader = _Reader()
    reader.feed(links.atoms(template, keep))
    reader.close()
    return _MARKER.sub(lambda m: (m[1] and "{ ") + kept[int(m[2])], reader.text()) + "\n"


def without_conditions(template: str) -> str:
    """The template with every ``{% %}`` taken out: what to do when they no longer pair up in the text."""
    return links.atoms(template, lambda atom: atom if atom.startswith("{{") else "")


class _Reader(HTMLParser):
    """Collects text; blank lines and blanks are settled at the end."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._out: list[str] = []
        self._skipping: str | None = None
        self._links: list[tuple[str, int]] = []

    def text(self) -> str:
        """The lines so far: blanks run together, at most one empty line between two others."""
        joined = re.sub(r"[ \x05]*\n[ \x05]*", "\n", "".join(self._out))
        lines = [line.strip() for line in re.sub(r" +", " ", re.sub(r" *(?:\x05 *)+", "\n", joined)).split("\n")]
        text = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
        return _CONDITION_ON_ITS_OWN.sub(r"\1", text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if self._skipping:
            return
        if tag in _SKIPPED:
            self._skipping = tag
        elif tag == "br":
            self._out.append("\n")
        elif tag == "hr":
            self._out.append("\n\n----\n\n")
        elif tag == "li":
            self._out.append(_LINE_BREAK + "* ")
        elif tag == "img":
            self._out.append(_literal(values.get("alt") or ""))
        elif tag == "a":
            self._links.append((_shown(values.get("href") or ""), len(self._out)))
        else:
            self._break(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._skipping:
            self._skipping = None if tag == self._skipping else self._skipping
        elif tag == "a" and self._links:
            self._end_link()
        elif tag in _CELLS:
            self._out.append(" ")
        else:
            self._break(tag)

    def handle_data(self, data: str) -> None:
        if self._skipping:
            return
        self._out.append(_literal(re.sub(r"[ \t\r\n\f]+", " ", data)))

    def _break(self, tag: str) -> None:
        if tag in _PARAGRAPHS:
            self._out.append("\n\n")
        elif tag in _BLOCKS:
            self._out.append(_LINE_BREAK)

    def _end_link(self) -> None:
        url, start = self._links.pop()
        shown = "".join(self._out[start:]).strip()
        if url and url not in (shown, "http://" + shown, "https://" + shown):
            self._out.append(f" ({url})" if shown else url)


def _shown(href: str) -> str:
    """The address worth showing: web, mail or telephone; an anchor or a script is none."""
    href = re.sub(r"[\t\r\n]", "", href).strip()
    for scheme in ("mailto:", "tel:"):
        if href.lower().startswith(scheme):
            return href[len(scheme):].partition("?")[0]
    return _literal(href) if href.lower().startswith(("http://", "https://", "\x02")) else ""


def _literal(text: str) -> str:
    """Braces that were character references in the HTML are text, not the template language."""
    return _TEMPLATE_OPENING.sub("{ ", text)
