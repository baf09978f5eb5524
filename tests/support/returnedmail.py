"""How does a test get a mail that came back about its own delivery? The corpus of tests/data/bounces, filled in."""

from __future__ import annotations

import base64
import csv
from dataclasses import dataclass
from pathlib import Path

from gateway.domain import tokens
from gateway.domain.tokens import Keys, Kind, Token

FOLDER = Path(__file__).resolve().parents[1] / "data" / "bounces"
DOMAIN = "gateway.example.org"
_STATUS = ("Reporting-MTA: dns; mx.example.net\n\nFinal-Recipient: rfc822; @RCPT@\nAction: failed\nStatus: 5.1.1\n"
           "Diagnostic-Code: smtp; 550 5.1.1 nobody\n")


@dataclass(frozen=True, slots=True)
class Expected:
    """A row of the table: what a mail of the corpus must be understood as.

    ``known_by``: whose local part inside the mail (not its recipient) tells the delivery; ``-``: none does.
    """

    name: str
    sort: str
    by: str
    action: str
    bounce_class: str
    code: str
    known_by: str


@dataclass(frozen=True, slots=True)
class Sent:
    """A delivery that mails may be about."""

    keys: Keys
    brand_id: int
    delivery_id: int
    instance_id: int
    email: str
    domain: str = DOMAIN

    @property
    def verp(self) -> str:
        """The local part of its return path."""
        return "b-" + tokens.mint_address(self.keys, Token(Kind.BOUNCE, self.brand_id, self.delivery_id))

    @property
    def message_id(self) -> str:
        """The local part of its Message-ID."""
        return "m-" + tokens.mint_address(self.keys, Token(Kind.MESSAGE, self.brand_id, self.delivery_id,
                                                           self.instance_id))

    @property
    def unsubscribe(self) -> str:
        """The local part of its mailto address."""
        return "u-" + tokens.mint_address(self.keys, Token(Kind.UNSUBSCRIBE, self.brand_id, self.delivery_id))

    def mail(self, name: str) -> bytes:
        """A mail of the corpus about this delivery, as it goes over the wire."""
        text = (FOLDER / f"{name}.eml").read_text(encoding="utf-8")
        encoded = base64.encodebytes(self._filled(_STATUS).encode()).decode()
        return self._filled(text.replace("@BASE64@", encoded)).replace("\n", "\r\n").encode()

    def _filled(self, text: str) -> str:
        for name, value in (("@VERP@", self.verp), ("@MSGID@", self.message_id), ("@UNSUB@", self.unsubscribe),
                            ("@RCPT@", self.email), ("@DOMAIN@", self.domain)):
            text = text.replace(name, value)
        return text


def table() -> list[Expected]:
    """Every mail of the corpus with what it says."""
    with (FOLDER / "expected.tsv").open(encoding="utf-8", newline="") as lines:
        return [Expected(**row) for row in csv.DictReader(lines, delimiter="\t")]
