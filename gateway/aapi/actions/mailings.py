"""What do CreateMailing and CreateMessage do? (aapi.md section 5.5)"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gateway.aapi.answers import group, leaf, status
from gateway.aapi.faults import (
    CONFIGURATION_ERROR,
    CONFLICTING_INFORMATION,
    INSUFFICIENT_INFORMATION,
    UNEXPECTED_INPUT,
    AapiError,
    from_gateway,
)
from gateway.aapi.nodes import Node, child, children, content, local, number, required, required_child, text
from gateway.domain.mailing import MailingDraft, MailingView
from gateway.domain.stories import Story
from gateway.errors import GatewayError
from gateway.services import brandsettings, stories
from gateway.services.gateway import Unit

NODES = {"name": "Name", "subject": "Subject", "fromAddress": "EmailFrom", "fromName": "FriendlyFrom",
         "replyTo": "ReplyTo", "folder": "FolderName", "templateId": "TemplateID", "html": "HtmlContent",
         "text": "TextOnlyContent", "title": "Title", "storyId": "StoryID", "area": "MessageContentArea"}
"""What this door calls the fields of a mailing and of its stories."""

MAX_WARNED = 5


def create_mailing(unit: Unit, node: Node) -> str:
    """Stores a mailing that is made of stories, in the order of their ranks; those without one follow as they come.

    Raises ``InsufficientInformationToCompleteActionException`` for a node that is missing,
    ``ConflictingInformationException`` for a StoryID or Rank that comes twice, ``ItemNotFoundException`` for the
    template, ``ConfigurationErrorException`` where neither the document nor the account names a sender.
    """
    found = list(_nodes(node, "Stories", "Story"))
    _refuse_repeated(found, "StoryID", [required(each, "StoryID") for each in found])
    ranks = [number(each, "Rank") for each in found]
    _refuse_repeated(found, "Rank", [rank for rank in ranks if rank is not None])
    places = sorted(range(len(found)), key=lambda at: (ranks[at] is None, ranks[at] or 0, at))
    made = _create(unit, node, [_story(found[at], story_id=text(found[at], "StoryID")) for at in places])
    return group("CreateMailing", leaf("MailingID", made.mailing_id), status(f"Mailing created.{_warned(made)}"))


def create_message(unit: Unit, node: Node) -> str:
    """Stores a message: a mailing whose stories go to the content areas of its template, as they come.

    Raises as :func:`create_mailing`, and ``UnexpectedInputException`` for a content area that the template lacks.
    """
    found = [_story(each, area=text(each, "MessageContentArea") or None)
             for each in _nodes(node, "MessageStories", "MessageStory")]
    made = _create(unit, node, found)
    return group("CreateMessage", leaf("MessageID", made.mailing_id), leaf("MailingID", made.mailing_id),
                 status(f"Message created.{_warned(made)}"))


def _create(unit: Unit, node: Node, found: Sequence[Story]) -> MailingView:
    draft, template_id = _draft(unit, node), number(node, "TemplateID")
    if template_id is None and any(story.area for story in found):
        raise AapiError(UNEXPECTED_INPUT, "MessageContentArea names a place in a template: send TemplateID, too, or "
                                          "leave it out.", node)
    try:
        return stories.create(unit, draft, found, template_id)
    except GatewayError as error:  # the caller knows the field by the name of its node
        name = NODES.get(error.field or "")
        raise AapiError(from_gateway(error).code, f"{name}: {error.message}" if name else error.message,
                        child(node, name) if name else node) from None


def _warned(made: MailingView) -> str:
    """What the author should look at: merge tags that no field has (SEND-40)."""
    unknown = [each.message for each in made.warnings if each.code == "FIELD_UNKNOWN"]
    return "".join(f" {message}" for message in unknown[:MAX_WARNED])


def _draft(unit: Unit, node: Node) -> MailingDraft:
    """The head; each part of the sender that is missing is the account's."""
    address, name, reply_to = brandsettings.sender(unit)
    from_address = text(node, "EmailFrom") or address
    if not from_address:
        raise AapiError(CONFIGURATION_ERROR, "EmailFrom is missing, and the account has no sender of its own. Send "
                                             "EmailFrom, or let an administrator set fromAddress: gateway brand set "
                                             "--brand ID fromAddress=ADDRESS.", node)
    return MailingDraft(
        name=required(node, "Name"), subject=required(node, "Subject"), from_address=from_address, html="",
        from_name=text(node, "FriendlyFrom") or name or None, reply_to=text(node, "ReplyTo") or reply_to or None,
        folder=text(node, "FolderName") or None)


def _nodes(node: Node, holder: str, name: str) -> Iterator[Node]:
    found = list(children(required_child(node, holder), name))
    if not found:
        raise AapiError(INSUFFICIENT_INFORMATION, f"{holder} needs at least one {name}.", node)
    return iter(found)


def _story(node: Node, *, story_id: str | None = None, area: str | None = None) -> Story:
    title, html = required(node, "Title"), required(node, "HtmlContent")
    for name in ("HtmlContent", "TextOnlyContent"):
        holder = child(node, name)
        markup = None if holder is None else next(children(holder), None)
        if markup is not None:
            raise AapiError(UNEXPECTED_INPUT, f"{name} holds the element {local(markup)[:40]}. HTML travels as text: "
                                              "escape it, or put it into CDATA.", markup)
    own_text = content(child(node, "TextOnlyContent"))
    return Story(title, html, own_text if own_text.strip() else None, story_id, area)


def _refuse_repeated(found: Sequence[Node], name: str, values: Sequence[object]) -> None:
    seen: set[object] = set()
    for value in values:
        if value in seen:
            raise AapiError(CONFLICTING_INFORMATION, f"{name} {str(value)[:50]} comes twice. Give each Story its own.",
                            found[0])
        seen.add(value)
