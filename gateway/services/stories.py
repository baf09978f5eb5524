"""How is a mailing made of stories, with or without a template around them? (aapi.md section 5.5)"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gateway.db.queries import mailings as stored_mailings
from gateway.db.queries import stories as stored
from gateway.db.unit import Unit
from gateway.domain import stories as rules
from gateway.domain.addresses import holds_forbidden
from gateway.domain.mailing import MailingDraft, MailingView
from gateway.domain.stories import Story
from gateway.errors import GatewayError
from gateway.mail import personalise, plaintext
from gateway.services import mailings, templates


def create(unit: Unit, draft: MailingDraft, stories: Sequence[Story], template_id: int | None = None) -> MailingView:
    """Stores a mailing as draft whose HTML is these stories in this order, within the template where one is named.

    ``html`` and ``text`` of the draft do not count. The text part is left to be made from the whole HTML, unless a
    story brings a text of its own: then it is the stories' texts, those that are missing made from their HTML. The
    stories are kept beside; a change of the content through another door takes them away. Raises ``NOT_FOUND`` for the
    template, ``INVALID_VALUE`` for a story that has no place in it, ``INVALID_REQUEST`` for no story or too many, else
    as :func:`mailings.create`.
    """
    unit.actor.require("send")
    _check(stories)
    html = rules.page(stories) if template_id is None else rules.placed(templates.get(unit, template_id).html, stories)
    made = mailings.create(unit, replace(draft, html=html, text=_text(stories)))
    stored.add(unit.connection, unit.brand_id, made.mailing_id, stories)
    if template_id is not None:
        stored_mailings.set_facts(unit.connection, unit.brand_id, made.mailing_id, unit.actor.label, unit.now,
                                  template_id=template_id)
    return made


def ids(unit: Unit, mailing_id: int) -> set[str]:
    """What the sender calls the stories of a mailing. Raises ``NOT_FOUND`` for no such mailing."""
    if stored_mailings.get(unit.connection, unit.brand_id, mailing_id) is None:
        raise GatewayError("NOT_FOUND", "There is no mailing of this id.", field="mailingId")
    return {story.story_id for story in stored.of_mailing(unit.connection, unit.brand_id, mailing_id) if story.story_id}


def _check(stories: Sequence[Story]) -> None:
    if not 1 <= len(stories) <= rules.MAX_STORIES:
        raise GatewayError("INVALID_REQUEST", f"A mailing is made of 1 to {rules.MAX_STORIES} stories.",
                           field="stories")
    for story in stories:
        for name, text, limit in (("title", story.title, rules.MAX_TITLE), ("storyId", story.story_id,
                                  rules.MAX_STORY_ID), ("area", story.area, rules.MAX_AREA)):
            if text is not None and len(text) > limit:
                raise GatewayError("FIELD_TOO_LONG", f"'{name}' of the story '{story.title[:80]}' has {len(text)} "
                                                     f"characters; at most {limit} are taken. Shorten it.", field=name)
        if holds_forbidden("".join((story.title, story.html, story.text or "", story.story_id or "",
                                    story.area or ""))):
            raise GatewayError("INVALID_CHARACTER", "A story holds a control character. Remove it.", field="html")


def _text(stories: Sequence[Story]) -> str | None:
    if not any(story.text for story in stories):
        return None
    return "\n\n".join(f"{story.title}\n\n{(story.text or _made(story.html)).strip()}" for story in stories) + "\n"


def _made(html: str) -> str:
    """The text of one story; without conditions where those do not pair up in it."""
    personalise.merge_tags(html, "html")  # what does not compile is the HTML's fault
    text = plaintext.from_html(html)
    try:
        personalise.merge_tags(text, "text")
    except GatewayError:
        text = plaintext.without_conditions(text)
    return text
