"""How does a message go out that belongs to no mailing instance, such as a test copy or a notice? At once (SEND-37)."""

from __future__ import annotations

from gateway.mail.smtp import Outcome, SmtpConnection, Verdict


def send_now(connection: SmtpConnection, envelope_from: str, envelope_to: str, data: bytes) -> Outcome:
    """Sends one message, and once more where its outcome is unknown.

    Both times it is the same message with the same Message-ID, so that whoever gets it twice can tell: a copy too
    many does less harm than a notice that nobody got. Nobody waits for mailings, which have connections of their own.
    """
    outcome = connection.send(envelope_from, envelope_to, data)
    if outcome.kind is Verdict.IN_DOUBT:
        outcome = connection.send(envelope_from, envelope_to, data)
    return outcome
