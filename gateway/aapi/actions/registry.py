"""Which actions does the document API have, and what does each of them need? (aapi.md section 5)"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.aapi.actions import mailings, publishing, subscribers, uploads
from gateway.aapi.nodes import Node
from gateway.services.gateway import Unit

IMPORT, SEND = "import", "send"


@dataclass(frozen=True, slots=True)
class Action:
    """One action: its element's name, the right it needs, and what does it.

    ``run`` reads the element, acts within the unit, which holds all actions of a document, and answers the written
    answer element. It raises ``AapiError`` or ``GatewayError``: then nothing of the document is stored.
    """

    name: str
    right: str
    run: Callable[[Unit, Node], str]


ACTIONS: dict[str, Action] = {each.name: each for each in (
    Action("Subscribe", IMPORT, subscribers.subscribe),
    Action("Unsubscribe", IMPORT, subscribers.unsubscribe),
    Action("Optout", IMPORT, subscribers.opt_out),
    Action("BulkUpload", IMPORT, uploads.bulk_upload),
    Action("CreateMailing", SEND, mailings.create_mailing),
    Action("CreateMessage", SEND, mailings.create_message),
    Action("ScheduleMailing", SEND, publishing.schedule_mailing),
    Action("SetMailingOnHold", SEND, publishing.set_on_hold),
    Action("UpdateContactMessageCategoryPreference", IMPORT, publishing.update_preference),
)}
"""The actions by the name of their element."""
