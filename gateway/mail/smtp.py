"""What did the mail server say to this message? One reused SMTP connection, outcomes as data (SEND-26..32)."""

from __future__ import annotations

import contextlib
import logging
import re
import smtplib
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Self

from gateway.log import event
from gateway.mail.smtp_url import SmtpUrl
from gateway.mail.wire import data_form, helo_name, printable, reply_text

log = logging.getLogger("gateway.mail")

_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:\s|$)")
_UNSAFE_IN_PATH = re.compile(r"[\x00-\x20<>\x7f\ud800-\udfff]")


class Verdict(StrEnum):
    """What one attempt means for the delivery (SEND-27..32)."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    DEFERRED = "deferred"
    IN_DOUBT = "in_doubt"
    NOT_TRIED = "not_tried"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of one attempt.

    ``code`` is the SMTP reply code, None when there was no reply; ``enhanced`` as ``5.1.1``; ``text`` is printable
    and at most 500 characters; ``stage`` is the step that decided: connect, greeting, ehlo, starttls, auth, mail,
    rcpt, data, message.
    """

    kind: Verdict
    code: int | None
    enhanced: str | None
    text: str
    stage: str


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long each step may take, in seconds (SEND-26)."""

    greeting_s: float = 30.0
    command_s: float = 60.0
    message_s: float = 600.0


class _NoConnection(Exception):
    """The connection could not be made ready; ``outcome`` says why."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.text)
        self.outcome = outcome


class SmtpConnection:
    """One connection to one mail server, made when needed and reused; for one thread at a time.

    After ``messages_per_connection`` messages, a 421 or any break the next message gets a new connection. TLS is
    verified against the system's authorities unless ``tls`` brings another context. The caller backs off after
    ``not_tried`` (SEND-32): this class never waits and never retries a message it has begun to hand over.
    """

    def __init__(self, url: SmtpUrl, *, helo: str = "localhost", timeouts: Timeouts | None = None,
                 tls: ssl.SSLContext | None = None, messages_per_connection: int = 500) -> None:
        self._url, self._helo = url, helo_name(helo)
        self._timeouts = timeouts or Timeouts()
        self._tls = tls
        self._limit = messages_per_connection
        self._smtp: smtplib.SMTP | None = None
        self._used = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def send(self, envelope_from: str, envelope_to: str, data: bytes,
             before_body: Callable[[], None] = lambda: None) -> Outcome:
        """Hands one message for one recipient to the server and says what became of it.

        ``before_body`` runs after the server's 354, immediately before the first byte of the body reaches the
        socket (SEND-16); when it raises, the connection is dropped, nothing was sent, and the exception goes on.
        ``data`` is a message with CRLF line ends; dots are stuffed here and bare CR or LF become CRLF. An address
        that cannot stand in a command is ``refused`` without a word to the server. Never raises for anything that
        the network or the server does.
        """
        try:
            fresh = self._make_ready()
            refusal = self._local_refusal(envelope_from, envelope_to)
            if refusal is not None:
                return refusal
            outcome = self._attempt(envelope_from, envelope_to, data, before_body)
            if not fresh and _was_idle_closed(outcome):  # nothing was begun, so a second try repeats nothing
                self._make_ready()
                outcome = self._attempt(envelope_from, envelope_to, data, before_body)
            return outcome or _lost("mail", Verdict.DEFERRED)
        except _NoConnection as failure:
            return failure.outcome
        except BaseException:
            self.drop()  # an interrupted conversation is of no use to the next message
            raise

    @classmethod
    def probe(cls, url: str, *, timeouts: Timeouts | None = None, tls: ssl.SSLContext | None = None) -> str | None:
        """What keeps us from handing mail to this server (its stage and words), None when it is ready to take some.

        Goes as far as TLS and login, then says QUIT; sends nothing. Raises ``SettingsError`` for a bad URL.
        """
        with cls(SmtpUrl.parse(url), timeouts=timeouts or Timeouts(10.0, 10.0, 10.0), tls=tls) as connection:
            try:
                connection._make_ready()
            except _NoConnection as failure:
                words = (f"{failure.outcome.stage}:", failure.outcome.code, failure.outcome.text)
                return " ".join(str(word) for word in words if word)
        return None

    def close(self) -> None:
        """Says QUIT and closes; harmless when there is no connection."""
        if self._smtp is not None:
            with contextlib.suppress(OSError, smtplib.SMTPException):
                self._timeout(min(2.0, self._timeouts.command_s))
                self._smtp.docmd("QUIT")
            self.drop()

    def drop(self) -> None:
        """Closes without a word; the server throws an unfinished message away."""
        if self._smtp is not None:
            with contextlib.suppress(OSError):
                self._smtp.close()
        self._smtp, self._used = None, 0

    # --- getting ready --------------------------------------------------------------------------------------

    def _make_ready(self) -> bool:
        """Makes sure there is a connection; True when it is a new one. Raises ``_NoConnection``."""
        if self._smtp is not None and self._used < self._limit:
            return False
        self.close()
        stage = "connect"
        try:
            self._connect()
            stage = "ehlo"
            self._ehlo()
            if self._url.security == "smtp+starttls":
                stage = "starttls"
                self._smtp.starttls(context=self._context())
                stage = "ehlo"
                self._ehlo()
            if self._url.user is not None:
                stage = "auth"
                self._smtp.login(self._url.user, self._url.password or "")
        except smtplib.SMTPResponseException as error:
            stage = "greeting" if stage == "connect" else stage
            raise self._failed(stage, error.smtp_code, reply_text(error.smtp_error)) from None
        except smtplib.SMTPException as error:
            stage = "greeting" if stage == "connect" else stage
            raise self._failed(stage, None, printable(str(error))) from None
        except (OSError, UnicodeError) as error:  # certificates and timeouts too; a password that is not ASCII
            raise self._failed(stage, None, printable(str(error) or type(error).__name__)) from None
        return True

    def _failed(self, stage: str, code: int | None, text: str) -> _NoConnection:
        self.drop()
        event(log, "mail server not usable", level=logging.WARNING, stage=stage, code=code)
        return _NoConnection(_outcome(Verdict.NOT_TRIED, stage, code, text))

    def _connect(self) -> None:
        """Opens the socket and reads the greeting."""
        options = {"local_hostname": self._helo, "timeout": self._timeouts.greeting_s}
        if self._url.security == "smtps":
            self._smtp = smtplib.SMTP_SSL(self._url.host, self._url.port, context=self._context(), **options)
        else:
            self._smtp = smtplib.SMTP(self._url.host, self._url.port, **options)
        self._smtp.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _ehlo(self) -> None:
        self._timeout(self._timeouts.command_s)
        code, text = self._smtp.ehlo()
        if code in (500, 502):
            code, text = self._smtp.helo()
        if code != 250:
            raise smtplib.SMTPHeloError(code, text)

    def _context(self) -> ssl.SSLContext:
        return self._tls or ssl.create_default_context()

    def _timeout(self, seconds: float) -> None:
        if self._smtp.sock is not None:
            self._smtp.sock.settimeout(seconds)

    # --- one message ------------------------------------------------------------------------------------------

    def _local_refusal(self, envelope_from: str, envelope_to: str) -> Outcome | None:
        for address in (envelope_from, envelope_to):
            if _UNSAFE_IN_PATH.search(address) or (address is envelope_to and "@" not in address):
                return Outcome(Verdict.REFUSED, 553, "5.1.3", "The address cannot stand in an SMTP command.", "rcpt")
        if not (envelope_from.isascii() and envelope_to.isascii()) and not self._smtp.has_extn("smtputf8"):
            return Outcome(Verdict.REFUSED, 553, "5.6.7", "The mail server takes no non-ASCII addresses (SMTPUTF8).",
                           "rcpt")
        return None

    def _attempt(self, envelope_from: str, envelope_to: str, data: bytes,
                 before_body: Callable[[], None]) -> Outcome | None:
        """One try on the connection there is; None when it was lost before the server answered anything."""
        wire = data_form(data)
        self._used += 1
        try:
            self._timeout(self._timeouts.command_s)
            refusal = self._envelope(self._commands(envelope_from, envelope_to, len(wire)))
        except _Broken as broken:
            self.drop()
            return None if broken.stage == "mail" else _lost(broken.stage, Verdict.DEFERRED)
        if refusal is not None:
            return refusal
        before_body()
        self._timeout(self._timeouts.message_s)
        try:
            self._write("message", wire)
        except _Broken:  # the last bytes were not handed over, so the server cannot have the whole message
            self.drop()
            return _lost("message", Verdict.DEFERRED)
        try:
            code, text = self._reply("message")
        except _Broken:
            self.drop()
            return _lost("message", Verdict.IN_DOUBT)
        return self._judge("message", code, text)

    def _commands(self, envelope_from: str, envelope_to: str, size: int) -> list[tuple[str, bytes]]:
        options = f" SIZE={size}" if self._smtp.has_extn("size") else ""
        if self._smtp.has_extn("8bitmime"):
            options += " BODY=8BITMIME"
        if not (envelope_from.isascii() and envelope_to.isascii()):
            options += " SMTPUTF8"
        return [("mail", f"MAIL FROM:<{envelope_from}>{options}\r\n".encode()),
                ("rcpt", f"RCPT TO:<{envelope_to}>\r\n".encode()), ("data", b"DATA\r\n")]

    def _envelope(self, commands: list[tuple[str, bytes]]) -> Outcome | None:
        """Gets to the 354; else the outcome of the first refusal, with the connection fit for the next message.

        With PIPELINING the three commands leave in one write (RFC 2920): one round trip instead of three.
        """
        pipelined = self._smtp.has_extn("pipelining")
        if pipelined:
            self._write("mail", b"".join(line for _, line in commands))
        refusal: Outcome | None = None
        code = 0
        for stage, line in commands:
            if not pipelined:
                self._write(stage, line)
            try:
                code, text = self._reply(stage)
            except _Broken:
                if refusal is None:
                    raise
                self.drop()
                return refusal
            good = code == 354 if stage == "data" else 200 <= code <= 299
            if not good and refusal is None:
                refusal = self._judge(stage, code, text)
            if self._smtp is None or (refusal is not None and not pipelined):
                break
        if refusal is not None and self._smtp is not None:
            self._tidy(after_354=pipelined and code == 354)
        return refusal

    def _tidy(self, *, after_354: bool) -> None:
        """Ends a refused transaction: an empty message where 354 came all the same (RFC 2920, 3.1), else RSET."""
        try:
            self._write("rset", b".\r\n" if after_354 else b"RSET\r\n")
            code, _ = self._reply("rset")
        except _Broken:
            code = 421
        if code == 421 or (after_354 and code <= 299):
            self.drop()

    def _judge(self, stage: str, code: int, text: str) -> Outcome:
        """The rule of SEND-27..32 for one reply; 421 and replies that make no sense end the connection."""
        sensible = 400 <= code <= 599 or (stage == "message" and 200 <= code <= 299)
        if code == 421 or not sensible:
            self.drop()
        if not sensible:
            verdict = Verdict.IN_DOUBT if stage == "message" else Verdict.DEFERRED
        elif code <= 299:
            verdict = Verdict.ACCEPTED
        elif stage == "mail":
            verdict = Verdict.NOT_TRIED
        else:
            verdict = Verdict.REFUSED if code >= 500 else Verdict.DEFERRED
        return _outcome(verdict, stage, code, text)

    def _write(self, stage: str, data: bytes) -> None:
        try:
            self._smtp.sock.sendall(data)
        except OSError:
            raise _Broken(stage) from None

    def _reply(self, stage: str) -> tuple[int, str]:
        try:
            code, text = self._smtp.getreply()
        except (OSError, smtplib.SMTPException):  # a line without end is one, too
            raise _Broken(stage) from None
        return code, reply_text(text)


class _Broken(Exception):
    """The connection is gone or silent."""

    def __init__(self, stage: str) -> None:
        super().__init__(stage)
        self.stage = stage


def _was_idle_closed(outcome: Outcome | None) -> bool:
    """Whether the server had given up the idle connection before our MAIL reached it, with a 421 or without."""
    return outcome is None or (outcome.stage == "mail" and outcome.code == 421)


def _outcome(verdict: Verdict, stage: str, code: int | None, text: str) -> Outcome:
    found = _ENHANCED.match(text)
    return Outcome(verdict, code, found[1] if found else None, text, stage)


def _lost(stage: str, verdict: Verdict) -> Outcome:
    return Outcome(verdict, None, None, "The connection was lost or the mail server fell silent.", stage)
