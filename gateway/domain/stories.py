"""How do stories and a template become the HTML of a mailing? (aapi.md section 5.5)

A template has a place ``{{ content }}`` for all stories that name no area, and one ``{{ content:NAME }}`` for each
content area.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from gateway.errors import GatewayError

MAX_STORIES, MAX_TITLE, MAX_STORY_ID, MAX_AREA = 1000, 998, 50, 255

_PLACE = re.compile(r"\{\{\s{0,99}content\s{0,99}(?::(?P<area>[^{}]{1,300}))?\}\}")
_DOCUMENT, _BODY, _HTML = (re.compile(rf"<{name}\b", re.I) for name in ("(?:!doctype|html|body)", "body", "html"))
_DOCTYPE, _END_OF_HEAD, _END = (re.compile(rf"<{name}\b", re.I) for name in ("!doctype", "/head", "/(?:body|html)"))
_STYLE, _END_OF_STYLE = re.compile(r"<style\b", re.I), re.compile(r"</style\b", re.I)
_TAG = re.compile(r"(\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\})", re.S)
_PAGE_BEGINS = ('<!DOCTYPE html>\n<html>\n<head>\n<meta charset="utf-8">\n'
                '<meta name="viewport" content="width=device-width, initial-scale=1">\n</head>\n<body>\n')
_PAGE_ENDS = "\n</body>\n</html>\n"


@dataclass(frozen=True, slots=True)
class Story:
    """A part of a mailing. ``title``: plain text; ``text`` None: made from the HTML; ``story_id``: the sender's own
    name for it; ``area``: its place in the template, None: where all go."""

    title: str
    html: str
    text: str | None = None
    story_id: str | None = None
    area: str | None = None


@dataclass(frozen=True, slots=True)
class Template:
    """HTML around stories, of one brand."""

    template_id: int
    name: str
    html: str
    created_at: dt.datetime


def areas(template: str) -> list[str | None]:
    """The places of a template in their order; None is the one without a name."""
    return [_area(found) for found in _PLACE.finditer(template)]


def spelled(template: str) -> str:
    """The template with its places written in one way: ``{{ content }}``, ``{{ content:NAME }}``."""
    def place(found: re.Match[str]) -> str:
        area = _area(found)
        return f"{{{{ content:{area} }}}}" if area else "{{ content }}"

    return _PLACE.sub(place, template)


def page(stories: Sequence[Story]) -> str:
    """A plain page of these stories one after the other, under their titles. A single one that is a whole document
    stays what it is."""
    if len(stories) == 1 and _DOCUMENT.search(stories[0].html):
        return stories[0].html
    return f"{_PAGE_BEGINS}{_listed(stories)}{_PAGE_ENDS}"


def placed(template: str, stories: Sequence[Story]) -> str:
    """The template with the stories in their places: in a named area their HTML alone, else under their titles.

    A story without an area goes to the only place that there is. An area that no story names stays empty. Raises
    ``INVALID_VALUE`` for a story whose place the template does not have; its ``field`` is ``area``.
    """
    places = areas(template)
    by_area: dict[str | None, list[Story]] = {}
    for story in stories:
        area = places[0] if story.area is None and len(places) == 1 else story.area
        if area not in places:
            named = ", ".join(f"'{area}'" for area in places if area) or "none"
            wanted = f"content area '{story.area}'" if story.area else "place for a story without a content area"
            raise GatewayError("INVALID_VALUE", f"The template has no {wanted}, as '{story.title[:80]}' needs it. "
                                                f"Its content areas: {named}.", field="area")
        by_area.setdefault(area, []).append(story)
    return _PLACE.sub(lambda found: _at(_area(found), by_area), template)


def _area(found: re.Match[str]) -> str | None:
    return (found["area"] or "").strip() or None


def _at(area: str | None, by_area: dict[str | None, list[Story]]) -> str:
    stories = by_area.get(area, [])
    return _listed(stories) if area is None else "\n".join(_inner(story.html) for story in stories)


def _listed(stories: Sequence[Story]) -> str:
    return "\n".join(f"<h2>{_escaped(story.title)}</h2>\n{_inner(story.html)}" for story in stories)


def _escaped(title: str) -> str:
    """The title as markup; its merge tags stay as they are."""
    return "".join(part if at % 2 else escape(part, quote=False) for at, part in enumerate(_TAG.split(title)))


def _inner(html: str) -> str:
    """What of a document may stand within another: the styles of its head, and what is in its body."""
    if not _DOCUMENT.search(html):
        return html.strip()
    begin = next((found for found in (_past(html, tag) for tag in (_BODY, _END_OF_HEAD, _HTML, _DOCTYPE)) if found), 0)
    end = _END.search(html, begin)
    return "\n".join([*_styles(html[:begin]), html[begin:end.start() if end else len(html)].strip()])


def _past(html: str, tag: re.Pattern[str], at: int = 0) -> int | None:
    """Where the first such tag ends, or None without one."""
    found = tag.search(html, at)
    return None if found is None else html.find(">", found.end()) + 1 or len(html)


def _styles(head: str) -> list[str]:
    found = []
    style = _STYLE.search(head)
    while style:
        end = _past(head, _END_OF_STYLE, style.end())
        if end is None:
            break
        found.append(head[style.start():end])
        style = _STYLE.search(head, end)
    return found
