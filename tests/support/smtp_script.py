"""Which treatment does a recipient of the SMTP sink ask for? The local part is the script (SEND-61).

====================  ==========================================================================
contains              the sink
====================  ==========================================================================
bounce-5xx            550 5.1.1 to RCPT
full                  552 5.2.2 to RCPT
defer-4xx             451 4.3.0 to RCPT
421                   421 4.3.2 to RCPT, and hangs up
careless-bounce       550 to RCPT, but 354 to DATA; the empty message is refused
gullible-bounce       the same, but the empty message is taken (and kept: for nobody)
wrong-at-rcpt         334 to RCPT
half-at-rcpt          "25" to RCPT, and hangs up
drop-at-rcpt          hangs up at RCPT
silent-at-rcpt        never answers RCPT, nor anything after it
flood-at-rcpt         an endless reply to RCPT
long-at-rcpt          a reply of 100 lines to RCPT, and takes the message
slow-bytes            answers byte by byte from here on, and takes the message
data-4xx, data-5xx    451, 554 to DATA
data-421              421 to DATA, and hangs up
data-503              503 to DATA
wrong-at-data         250 to DATA
drop-at-data          hangs up at DATA
early-at-data         354 and at once 250 to DATA, before it has seen a body
reject-data           554 5.7.1 after the dot
dot-4xx               451 4.3.0 after the dot
dot-421               421 4.3.2 after the dot, and hangs up
early-reject          552 5.3.4 at the first bytes of the body, and hangs up
drop-in-data          hangs up when the first bytes of the body arrive
drop-after-dot        takes and logs the message, then hangs up without an answer
half-after-dot        takes and logs the message, answers "25" and hangs up
wrong-after-dot       takes and logs the message, answers 354
nonsense-after-dot    takes and logs the message, answers words without a code
silent-after-dot      takes and logs the message, answers only after ``release()``
====================  ==========================================================================

The sender's local part is the script of MAIL: ``mail-4xx``, ``mail-5xx``, ``mail-421``, ``mail-drop``. With ``-once``
at the end of a word only the first time that this recipient or sender is seen. ``full`` and ``421`` must stand alone or
beside a dot, plus or dash: ``member421`` and ``fuller`` are people.
"""

from __future__ import annotations

import re

RCPT_REPLIES = {
    "bounce-5xx": b"550 5.1.1 <%s>: no such mailbox here\r\n",
    "careless-bounce": b"550 5.1.1 <%s>: no such mailbox here\r\n",
    "gullible-bounce": b"550 5.1.1 <%s>: no such mailbox here\r\n",
    "full": b"552 5.2.2 <%s>: mailbox is full\r\n",
    "defer-4xx": b"451 4.3.0 <%s>: try again later\r\n",
    "421": b"421 4.3.2 <%s>: shutting down\r\n",
    "wrong-at-rcpt": b"334 <%s>: what?\r\n",
    "half-at-rcpt": b"25",
    "drop-at-rcpt": b"",
    "silent-at-rcpt": b"",
    "flood-at-rcpt": b"250-2.1.5 and\r\n" * 10_000,
}
"""Instead of 250; ``%s`` is the address."""

CARELESS = ("careless-bounce", "gullible-bounce")
LONG_REPLY = b"250-2.1.5 so much to say\r\n" * 99

DATA_REPLIES = {
    "data-4xx": b"451 4.3.0 not now\r\n",
    "data-5xx": b"554 5.7.1 not from you\r\n",
    "data-421": b"421 4.3.2 shutting down\r\n",
    "data-503": b"503 5.5.1 what do you mean?\r\n",
    "wrong-at-data": b"250 2.0.0 fine\r\n",
    "drop-at-data": b"",
}
"""Instead of 354."""

DOT_REPLIES = {
    "reject-data": b"554 5.7.1 message refused by policy\r\n",
    "dot-4xx": b"451 4.3.0 try again later\r\n",
    "dot-421": b"421 4.3.2 shutting down\r\n",
}
"""After the dot; the message is not taken."""

TAKEN_REPLIES = {
    "drop-after-dot": b"",
    "half-after-dot": b"25",
    "wrong-after-dot": b"354 more, please\r\n",
    "nonsense-after-dot": b"thank you\r\n",
    "silent-after-dot": b"",
}
"""Instead of 250 for a message that is taken."""

MAIL_REPLIES = {
    "mail-4xx": b"451 4.3.0 not now\r\n",
    "mail-5xx": b"550 5.7.1 sender refused\r\n",
    "mail-421": b"421 4.3.2 closing\r\n",
    "mail-drop": b"",
}
"""To MAIL."""

HANGS_UP = {"421", "half-at-rcpt", "drop-at-rcpt", "data-421", "drop-at-data", "dot-421", "drop-after-dot",
            "half-after-dot", "mail-421", "mail-drop"}

_OTHERS = ("long-at-rcpt", "slow-bytes", "early-at-data", "early-reject", "drop-in-data")
_LONE = ("full", "421")
_WORDS = sorted({*RCPT_REPLIES, *DATA_REPLIES, *DOT_REPLIES, *TAKEN_REPLIES, *_OTHERS} - {*_LONE}, key=len)[::-1]
_SCRIPT = re.compile(f"{'|'.join(_WORDS)}|(?:(?<=[.+-])|^)(?:{'|'.join(_LONE)})(?=[.+-]|$)")
_SENDER = re.compile(f"({'|'.join(MAIL_REPLIES)})(-once)?")


def script_of(address: str) -> str | None:
    """Which row of the table the address asks for; None: the message is taken."""
    found = _SCRIPT.search(address.rpartition("@")[0])
    return found[0] if found else None


def is_once(address: str) -> bool:
    """Whether the recipient's script is for the first time only."""
    return "-once" in address.rpartition("@")[0]


def sender_script(address: str) -> tuple[str, bool] | None:
    """What MAIL is answered, and whether only the first time; None: 250."""
    found = _SENDER.search(address.rpartition("@")[0])
    return (found[1], found[2] is not None) if found else None
