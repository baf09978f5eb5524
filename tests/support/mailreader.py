"""What does a recipient see of a message? Its addresses, as a mail client would find them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email import message_from_bytes, policy


@dataclass(frozen=True, slots=True)
class Mail:
    """The parts of one message; ``clicks``, ``pixel`` and ``hidden`` are paths below the public URL.

    ``hidden``: the link that no person sees (SEND-52); it is not among the ``clicks``.
    """

    subject: str
    html: str
    text: str
    clicks: list[str]
    pixel: str | None
    unsubscribe: str
    one_click: str
    view: str | None
    hidden: str | None = None


def read(data: bytes, public_url: str = "http://127.0.0.1:8080") -> Mail:
    """Reads a message as a mail client does."""
    message = message_from_bytes(data, policy=policy.default)
    html = message.get_body(("html",)).get_content()
    text = message.get_body(("plain",)).get_content()
    start = re.escape(public_url)
    pixel = re.search(rf'<img src="{start}(/t/[\w-]+)"', html)
    view = re.search(rf'"{start}(/v/[\w-]+)"', html)
    [one_click] = re.findall(rf"<{start}(/u/[\w-]+)>", message["List-Unsubscribe"])
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    clicks = re.findall(rf'<a href="{start}(/t/[\w-]+)"( style="display:none")?', html)
    return Mail(message["Subject"], html, text, [path for path, hidden in clicks if not hidden],
                pixel[1] if pixel else None, re.search(rf'"{start}(/u/[\w-]+)"', html)[1], one_click,
                view[1] if view else None, next((path for path, hidden in clicks if hidden), None))
