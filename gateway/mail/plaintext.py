"""What does an HTML part read like as plain text, with its links shown? (SEND-41)"""

from __future__ import annotations

import html
import re
from bisect import bisect
from collections.abc import Callable

from gateway.mail import links, personalise
from gateway.mail.links import Tag

_BLOCKS = frozenset({"address", "article", "blockquote", "center", "dd", "div", "dl", "dt", "fieldset", "footer",
                     "form", "header", "li", "main", "nav", "ol", "pre", "section", "table", "tr", "ul"})
_PARAGRAPHS = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "table", "blockquote", "hr"})
_SKIPPED = frozenset({"template", "noscript", "object", "svg"})

_HIDDEN = re.compile(r"(?:display\s*:\s*none|visibility\s*:\s*hidden)\b", re.I)
_PADDING = re.compile("[ \xa0\xad\u034f\u2007\u200b\u200c\ufeff]{2,}")  # after a preheader stand hundreds of these
_MARKER = re.compile(r"(\{?)[\x02\x04](\d+)\x03")
_CONDITION_ON_ITS_OWN = re.compile(r"((?:^|\n)\s*\x04\d+\x03)\s+")
_LINE_BREAK = "\x05"  # a new line unless there is one already; templates have no control characters
_GAP = "\x06"  # beside an address: a blank where it would run into its neighbour
_NO_GAP = re.compile(r"""(?:^|(?<=[\s(\[{\x05]))\x06+|\x06+(?=[.,;:!?)\]}"'\u2019\u201d]*(?:[\s\x05]|$))""")
_STANDS_FOR = {"br": "\n", "hr": "\n\n----\n\n", "/td": " ", "/th": " "}
_UNFINISHED = re.compile(r"<[a-zA-Z/!?].*", re.S)
_TEMPLATE_OPENING = re.compile(r"\{(?=[{%#])")


def from_html(template: str) -> str:
    """A text template that says what the HTML template says; its merge tags and conditions are kept.

    Links read ``text (https://...)``, list items begin with ``* `` or their number; what the author hides is left out.
    The input must be a template that compiles; the output may not, when a condition began in the text and ended in a
    part that has none (see below). A link that is a merge tag is shown to those for whom it is one, by the filters of
    our own (``personalise.compile_pieces``).
    """
    kept: list[str] = []

    def keep(atom: str) -> str:
        kept.append("" if atom.startswith("{#") else atom)
        return ("\x04" if atom.startswith("{%") else "\x02") + f"{len(kept) - 1}\x03"

    def restored(text: str) -> str:
        return _MARKER.sub(lambda m: (m[1] and "{ ") + kept[int(m[2])], text)

    reader = _Reader(links.atoms(links.without_comments(template), keep), keep, restored)
    return restored(reader.text()) + "\n"


def without_conditions(template: str) -> str:
    """The template with every ``{% %}`` taken out: what to do when they no longer pair up in the text."""
    return links.atoms(template, lambda atom: atom if atom.startswith("{{") else "")


class _Reader:
    """Collects text; blank lines and blanks are settled at the end.

    ``keep`` takes a piece of the template language and answers what stands for it; ``restored`` takes that back.
    """

    def __init__(self, markup: str, keep: Callable[[str], str], restored: Callable[[str], str]) -> None:
        self._markup, self._keep, self._restored = markup, keep, restored
        self._out: list[str] = []
        self._skipping: str | None = None
        self._link: tuple[str, int] | None = None
        self._lists: list[int] = []  # the number of the next item, 0 for bullets
        self._pre = False
        tags = links.scan(markup)
        self._ends = _ends(tags)
        self._conditions = [found.start() for found in re.finditer("\x04", markup)]
        at, raw = 0, False
        for tag in tags:
            if tag.start < at:
                continue
            if not raw:
                self._text(markup[at:tag.start])
            at, raw = tag.end, tag.name in links.RAW_ELEMENTS
            if _HIDDEN.search(links.first_attribute(markup, tag, "style")) and (
                    tag.start in self._ends or tag.name == "img"):
                at = self._ends.get(tag.start, tag.end)
            else:
                self._tag(tag)
        if not raw:
            self._text(_UNFINISHED.sub("", markup[at:]))
        self._end_link()

    def text(self) -> str:
        """The lines: blanks run together, at most one empty line between two others."""
        spaced = re.sub(_GAP + "+", " ", _NO_GAP.sub("", "".join(self._out)))
        single = _PADDING.sub(" ", spaced)  # first, so that no other pattern meets a long run of blanks
        joined = "\n".join(line.strip(" " + _LINE_BREAK) for line in single.split("\n"))
        lines = [line.strip() for line in re.sub(r" ?(?:\x05 ?)+", "\n", joined).split("\n")]
        text = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
        return _CONDITION_ON_ITS_OWN.sub(r"\1", text)

    def _text(self, raw: str) -> None:
        if raw and not self._skipping:
            blanks = r"[ \t\r\f]+" if self._pre else r"[ \t\r\n\f]+"
            self._out.append(_literal(re.sub(blanks, " ", html.unescape(raw))))

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
        elif tag.name == "li":
            self._item()
        elif tag.name in _STANDS_FOR:
            self._out.append(_STANDS_FOR[tag.name])
        elif name in _BLOCKS or name in _PARAGRAPHS:
            self._block(tag)

    def _block(self, tag: Tag) -> None:
        name = tag.name.removeprefix("/")
        self._out.append("\n\n" if name in _PARAGRAPHS else _LINE_BREAK)
        if name == "pre":
            self._pre = tag.name == "pre"
        elif tag.name in ("ul", "ol"):
            self._lists.append(self._first_number(tag) if name == "ol" else 0)
        elif name in ("ul", "ol") and self._lists:
            self._lists.pop()

    def _item(self) -> None:
        number = self._lists[-1] if self._lists else 0
        self._out.append(f"{_LINE_BREAK}{number}. " if number else _LINE_BREAK + "* ")
        if number:
            self._lists[-1] = number + 1

    def _first_number(self, tag: Tag) -> int:
        """Of an ordered list; bullets where a condition decides which items there are."""
        end = self._ends.get(tag.start, len(self._markup))
        if bisect(self._conditions, end) > bisect(self._conditions, tag.start):
            return 0
        start = links.first_attribute(self._markup, tag, "start").strip()
        return int(start) if re.fullmatch("[0-9]{1,6}", start) else 1

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
        if url.startswith("\x02"):
            self._end_of_tagged(url, shown)
        elif url and shown in (url, url.removesuffix("/"), ""):
            self._out[start:] = [_GAP, url, _GAP]
        elif url and url.rstrip("/") not in ("http://" + shown, "https://" + shown):
            self._out += [f" ({url})", _GAP]


    def _end_of_tagged(self, url: str, shown: str) -> None:
        """An address that begins with a merge tag: ours always is one, a person's value where it may be a link."""
        address = self._restored(url)
        if self._restored(shown) == address:
            return
        expression = links.expression_of(self._restored(url.partition("\x03")[0] + "\x03"))
        if expression in personalise.SPECIAL_TAGS:
            self._out += [f" ({url})", _GAP]
        else:
            test = personalise.tags_in_url(expression, at_start=True).strip("{} ")
            self._out += [self._keep("{% if " + test + " %}"), f" ({self._keep(links.with_encoded_tags(address))})",
                          self._keep("{% endif %}"), _GAP]


def _ends(tags: list[Tag]) -> dict[int, int]:
    """Where an element that begins at a place ends; only of those that are closed."""
    found: dict[int, int] = {}
    waiting: dict[str, list[int]] = {}
    for tag in tags:
        if not tag.name.startswith("/"):
            waiting.setdefault(tag.name, []).append(tag.start)
        elif waiting.get(tag.name[1:]):
            found[waiting[tag.name[1:]].pop()] = tag.end
    return found


def _shown(href: str) -> str:
    """The address worth showing: web, mail or telephone; an anchor or a script is none."""
    href = links.url_of(href)
    for scheme in ("mailto:", "tel:"):
        if href.lower().startswith(scheme):
            return href[len(scheme):].partition("?")[0]
    chosen = href.startswith("\x04") and "://" in href  # {% if %} one address {% else %} another
    return _literal(href) if chosen or href.lower().startswith(("http://", "https://", "\x02")) else ""


def _literal(text: str) -> str:
    """Braces that were character references in the HTML are text, not the template language."""
    return _TEMPLATE_OPENING.sub("{ ", text)
