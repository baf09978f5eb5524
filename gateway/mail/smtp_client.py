"""How does one connection carry message after message, a round trip each? (RFC 2920, SEND-16..18, SEND-26..31)

MAIL, RCPT and DATA of a message leave in one write behind the body of the message before it. A body leaves when its
own 354 is there, and never before the last body's reply: replies come in order. Without PIPELINING each command waits
for the reply of the one before.

After a break the message whose body was written is in doubt when the kernel has taken its final dot, else deferred:
``Link`` knows which. One that had got no further than its envelope is deferred, with one exception: on a connection
that carried mail before, a server that hangs up (or says 421) before it answered MAIL means the connection, not the
message. That message is ``left_over`` for whoever opens the next connection; there it is the first, so this happens
to it once.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import Protocol

from gateway.mail.smtp_conversation import Awaited, Conversation
from gateway.mail.smtp_link import CLOSED
from gateway.mail.smtp_login import Offer
from gateway.mail.smtp_outcome import Outcome, Outgoing, Verdict, judge, makes_sense
from gateway.mail.smtp_replies import Reply

QUIT_S = 2.0
_UNSAFE_IN_PATH = re.compile(r"[\x00-\x20<>\x7f\ud800-\udfff]")
_CLOSED = "We ended the connection."
_TOO_EARLY = "The mail server answered before it had the whole message."


class Work(Protocol):
    """Whoever gives the messages of one connection, and is told their end. May raise: see ``Connection``."""

    def take(self) -> Outgoing | None:
        """The next message; None: nothing now."""

    def begin(self, message: Outgoing) -> None:
        """The first byte of the body leaves next (SEND-16)."""

    def end(self, message: Outgoing, outcome: Outcome) -> None:
        """What became of a message that was taken (SEND-17)."""


@dataclass(slots=True)
class _Transaction:
    """One message on the connection. ``stage``: whose reply is next; ``dot_at``: the link's mark of its final dot."""

    message: Outgoing
    stage: str = "mail"
    refusal: Outcome | None = None
    dot_at: int = 0


class Connection:
    """One connection at work, from login to QUIT.

    ``begin`` that raises ends the connection with nothing of that body sent and no ``end`` for it. Whatever ``take`` or
    ``end`` raises ends it too and comes out of ``closed``, which is done when all is over.
    """

    def __init__(self, conversation: Conversation, offer: Offer, work: Work, messages: int) -> None:
        self.left_over: Outgoing | None = None
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._talk, self._link, self._offer, self._work = conversation, conversation.link, offer, work
        self._limit, self._used = messages, 0
        self._enveloped: _Transaction | None = None
        self._handed: _Transaction | None = None
        self._ending = self._quitting = self._dropping = False
        command_s, message_s = conversation.timeouts.command_s, conversation.timeouts.message_s
        self._await_mail: Awaited = (self._on_mail, command_s)
        self._await_rcpt: Awaited = (self._on_rcpt, command_s)
        self._await_data: Awaited = (self._on_data, command_s)
        self._await_end: Awaited = (self._on_end, message_s)
        self._await_tidy: Awaited = (self._on_tidy, command_s)
        conversation.on_lost, conversation.on_failed = self._on_lost, self._fail
        if conversation.ended:  # the server hung up as soon as it had let us in
            self.closed.set_result(None)

    # --- for the owner ------------------------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Whether no message is in hand."""
        return self._enveloped is None and self._handed is None

    @property
    def usable(self) -> bool:
        """Whether another message may be given to it."""
        return not self._ending and not self._talk.ended and self._used < self._limit

    def wake(self, first: Outgoing | None = None) -> None:
        """Asks for a message, unless one is in hand; ``first`` is one that was taken already.

        Does nothing when called out of a call of ours: whoever made that call asks when it returns.
        """
        if not self._talk.busy:
            self._talk.call(self._ask, first)

    def _ask(self, first: Outgoing | None = None) -> None:
        if first is not None and self._talk.ended:
            self._work.end(first, Outcome(Verdict.NOT_TRIED, None, None, CLOSED, "mail"))
        if not self.idle or self._ending or self._talk.ended:
            return
        envelope = self._envelope(first)
        if envelope:
            self._talk.say(envelope)
        elif not self.usable:
            self.finish()

    def finish(self) -> None:
        """Takes no more, ends the messages in hand, says QUIT."""
        self._ending = True
        if self.idle and not self._quitting and not self._talk.ended:
            self._quitting = True
            self._talk.expect((self._on_quit, min(QUIT_S, self._talk.timeouts.command_s)))
            self._talk.say(b"QUIT\r\n")

    def drop(self) -> None:
        """Closes at once. A message whose body has not left is ``NOT_TRIED``."""
        self._dropping = True
        self._talk.end(_CLOSED)

    # --- envelopes --------------------------------------------------------------------------------------------

    def _envelope(self, first: Outgoing | None = None) -> bytes:
        """The commands of the next message, whose replies are awaited from here on; empty when there is none."""
        while (message := first or self._take()) is not None:
            first = None
            refusal = self._local_refusal(message)
            if refusal is None:
                break
            self._work.end(message, refusal)
        else:
            return b""
        self._used += 1
        self._enveloped = _Transaction(message)
        if not self._offer.pipelining:
            self._talk.expect(self._await_mail)
            return self._mail(message)
        self._talk.expect(self._await_mail, self._await_rcpt, self._await_data)
        return b"%bRCPT TO:<%b>\r\nDATA\r\n" % (self._mail(message), message.envelope_to.encode())

    def _take(self) -> Outgoing | None:
        return self._work.take() if self.usable else None

    def _mail(self, message: Outgoing) -> bytes:
        offer = self._offer
        options = f" SIZE={message.form.size_bytes}" if offer.sizes else ""
        if offer.eight_bit:
            options += " BODY=8BITMIME"
        if offer.utf8 and not (message.envelope_from.isascii() and message.envelope_to.isascii()):
            options += " SMTPUTF8"
        return f"MAIL FROM:<{message.envelope_from}>{options}\r\n".encode()

    def _local_refusal(self, message: Outgoing) -> Outcome | None:
        """What needs no asking: the address is no parameter of a command, or the server said it takes no such thing."""
        addresses = message.envelope_from + message.envelope_to
        if _UNSAFE_IN_PATH.search(addresses) or "@" not in message.envelope_to:
            return Outcome(Verdict.REFUSED, 553, "5.1.3", "The address cannot stand in an SMTP command.", "rcpt")
        if not addresses.isascii() and not self._offer.utf8:
            return Outcome(Verdict.REFUSED, 553, "5.6.7", "The mail server takes no non-ASCII addresses "
                           "(SMTPUTF8).", "rcpt")
        limit = self._offer.size
        if limit is not None and message.form.size_bytes > limit:
            return Outcome(Verdict.REFUSED, 552, "5.3.4", f"The message has {message.form.size_bytes} bytes; the mail "
                           f"server takes {limit} at most.", "message")
        return None

    # --- replies ----------------------------------------------------------------------------------------------

    def _on_mail(self, reply: Reply) -> None:
        self._on_step(reply, "rcpt", self._await_rcpt)

    def _on_rcpt(self, reply: Reply) -> None:
        self._on_step(reply, "data", self._await_data)

    def _on_step(self, reply: Reply, then: str, awaited: Awaited) -> None:
        """The reply to MAIL or RCPT. The first refusal of a transaction is its outcome, whatever follows."""
        transaction = self._enveloped
        if 200 <= reply.code <= 299:
            transaction.stage = then
        elif transaction.refusal is None:
            if self._breaks(transaction.stage, reply):
                return
            transaction.refusal = judge(transaction.stage, reply.code, reply.text)
        if self._offer.pipelining:
            return
        if transaction.refusal is not None:
            self._refused(transaction, after_354=False)
            return
        self._talk.expect(awaited)
        recipient = transaction.message.envelope_to.encode()
        self._talk.say(b"RCPT TO:<%b>\r\n" % recipient if then == "rcpt" else b"DATA\r\n")

    def _breaks(self, stage: str, reply: Reply) -> bool:
        """Ends a transaction and the connection for 421 and for replies that make no sense where they stand."""
        if reply.code != 421 and makes_sense(stage, reply.code):
            return False
        if not (reply.code == 421 and stage == "mail" and self._used > 1):
            self._enveloped.refusal = judge(stage, reply.code, reply.text)
        self._talk.end(reply.text)
        return True

    def _on_data(self, reply: Reply) -> None:
        transaction = self._enveloped
        if transaction.refusal is None:
            if reply.code == 354:
                self._send_body(transaction)
                return
            if self._breaks("data", reply):
                return
            transaction.refusal = judge("data", reply.code, reply.text)
        elif reply.code == 421:
            self._talk.end(reply.text)
            return
        self._refused(transaction, after_354=reply.code == 354)

    def _refused(self, transaction: _Transaction, *, after_354: bool) -> None:
        """Ends a refused transaction so that the next one can follow (RFC 2920, 3.1).

        Where 354 came although the recipient was refused, an empty message ends it; its reply accepts nothing. A
        server that took the recipient but not the sender would deliver that, so there the connection ends.
        """
        self._enveloped = None
        self._work.end(transaction.message, transaction.refusal)
        if transaction.refusal.stage == "mail":
            self._used = self._limit
            if after_354:
                self._talk.end(_CLOSED)
                return
            self.finish()
        elif after_354:
            self._talk.expect((self._on_empty, self._talk.timeouts.command_s))
            self._talk.say(b".\r\n")
        else:
            self._talk.expect(self._await_tidy)
            self._talk.say(b"RSET\r\n" + (self._envelope() if self._offer.pipelining else b""))

    def _on_tidy(self, reply: Reply) -> None:
        """RSET has been answered; with pipelining the next envelope is out already."""
        if not 200 <= reply.code <= 299:
            self._talk.end(reply.text)
        elif self.idle:
            self._go_on()

    def _on_empty(self, reply: Reply) -> None:
        """A server that takes a message for nobody is not to be trusted with the next one."""
        if reply.code == 421 or not 400 <= reply.code <= 599:
            self._talk.end(reply.text)
        else:
            self._go_on()

    # --- the body ---------------------------------------------------------------------------------------------

    def _send_body(self, transaction: _Transaction) -> None:
        """The note, then the body and the next envelope in one write. Nothing when the server ran ahead of us."""
        transaction.stage = "message"
        if ahead := self._talk.ahead():
            self._talk.end(ahead)
            return
        self._enveloped, self._handed = None, transaction
        self._talk.expect(self._await_end)
        envelope = self._envelope() if self._offer.pipelining else b""
        try:
            self._work.begin(transaction.message)
        except Exception:
            self._handed = None
            self._talk.end(_CLOSED)
            return
        self._link.put(transaction.message.form.wire)
        transaction.dot_at = self._link.written
        if envelope:
            self._link.put(envelope)
        self._link.flush()

    def _on_end(self, reply: Reply) -> None:
        """The reply to the message, if the server can have all of it: a 2xx before the dot accepts nothing."""
        transaction, self._handed = self._handed, None
        text, whole = reply.text, self._link.sent >= transaction.dot_at
        if whole or 400 <= reply.code <= 599:
            self._work.end(transaction.message, judge("message", reply.code, text))
        else:
            self._work.end(transaction.message, Outcome(Verdict.DEFERRED, None, None, _TOO_EARLY, "message"))
        if not whole or reply.code == 421 or not makes_sense("message", reply.code):
            self._talk.end(text)
        elif self._enveloped is None:
            self._go_on()

    def _go_on(self) -> None:
        """The next message, or the end."""
        if self.usable:
            self._ask()
        else:
            self.finish()

    # --- the end ------------------------------------------------------------------------------------------------

    def _on_quit(self, _: Reply) -> None:
        self._talk.end(_CLOSED)

    def _on_lost(self, cause: str) -> None:
        """Whatever was in hand gets its outcome."""
        handed, enveloped = self._handed, self._enveloped
        self._handed = self._enveloped = None
        try:
            if handed is not None:
                whole = self._link.sent >= handed.dot_at
                verdict = Verdict.IN_DOUBT if whole else Verdict.DEFERRED
                self._work.end(handed.message, Outcome(verdict, None, None, cause, "message"))
            if enveloped is not None:
                self._put_back(enveloped, cause)
        except BaseException as error:
            self._fail(error)
        if not self.closed.done():
            self.closed.set_result(None)

    def _put_back(self, transaction: _Transaction, cause: str) -> None:
        if transaction.refusal is not None:
            self._work.end(transaction.message, transaction.refusal)
        elif self._dropping:
            self._work.end(transaction.message, Outcome(Verdict.NOT_TRIED, None, None, cause, transaction.stage))
        elif transaction.stage == "mail" and self._used > 1:
            self.left_over = transaction.message
        else:
            self._work.end(transaction.message, Outcome(Verdict.DEFERRED, None, None, cause, transaction.stage))

    def _fail(self, error: BaseException) -> None:
        """Something on our own side went wrong: nothing more is said to anybody."""
        self._handed = self._enveloped = None
        if not self.closed.done():
            self.closed.set_exception(error)
        self._talk.end(_CLOSED)
