"""What do people do with the mail they got? They open it, click, and unsubscribe, through the links in it."""

from __future__ import annotations

import base64
import email
import email.policy
import json
import re
import urllib.request
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36"


@dataclass(frozen=True, slots=True)
class Letter:
    """A message as the mail server took it."""

    to: str
    message: EmailMessage
    html: str

    def pixel(self) -> str:
        """The address of the image that counts an open."""
        return self._link(r'<img[^>]+src="([^"]*/t/[^"]+)"')

    def link(self) -> str:
        """The first tracked link."""
        return self._link(r'href="([^"]*/t/[^"]+)"')

    def unsubscribe_url(self) -> str:
        """The https address of the List-Unsubscribe header."""
        found = re.search(r"<(https?://[^>]+)>", str(self.message["List-Unsubscribe"]))
        if found is None:
            raise ValueError(f"no unsubscribe link in the mail to {self.to}")
        return found[1]

    def _link(self, pattern: str) -> str:
        found = re.search(pattern, self.html)
        if found is None:
            raise ValueError(f"{pattern} is not in the mail to {self.to}")
        return found[1].replace("&amp;", "&")


def letters(log: Path) -> list[Letter]:
    """Every message that the mail server's log says it took, in that order."""
    found = []
    for line in log.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        message = email.message_from_bytes(base64.b64decode(entry["data"]), policy=email.policy.default)
        body = message.get_body(("html",))
        found.append(Letter(entry["to"][0], message, body.get_content() if body else ""))
    return found


def get(url: str) -> tuple[int, str]:
    """Opens an address as a browser does, without following redirects; answers status and Location or text."""
    return _ask(urllib.request.Request(url, headers={"User-Agent": BROWSER}))


def post(url: str, body: bytes) -> tuple[int, str]:
    """Posts a form as a browser or a mail program does."""
    return _ask(urllib.request.Request(url, data=body, method="POST", headers={
        "User-Agent": BROWSER, "Content-Type": "application/x-www-form-urlencoded"}))


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: object) -> None:
        return None


_opener = urllib.request.build_opener(_Stay)


def _ask(request: urllib.request.Request) -> tuple[int, str]:
    try:
        with _opener.open(request, timeout=30) as answer:
            return answer.status, answer.headers.get("Location") or answer.read().decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        return error.code, error.headers.get("Location") or ""
