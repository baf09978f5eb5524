"""What does a mailing look like in the author's own mail client? Test copies, sent at once (SOAP-58, SEND-4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gateway.db.queries import mailings
from gateway.domain import addresses
from gateway.domain import delivery as rules
from gateway.domain.accounts import Actor
from gateway.domain.mailing import TestCopy
from gateway.domain.records import Identifier, Problem
from gateway.errors import GatewayError
from gateway.mail.smtp import SmtpConnection, Verdict
from gateway.services import compose, files
from gateway.services.gateway import Gateway
from gateway.services.sendnow import send_now

MAX_TEST_ADDRESSES = 20
TEST_PREFIX = "[Test] "


def send_tests(gateway: Gateway, actor: Actor, mailing_id: int, addresses_: Sequence[str],
               who: Identifier | None = None) -> tuple[TestCopy, ...]:
    """Sends the mailing to 1-20 addresses now, with the values of ``who`` (else the tags' defaults).

    Makes no instance and no figures (SEND-4); its links are not tracked. They do not wait for mailings (SEND-37), and a
    copy of unknown outcome is sent once more with the same Message-ID (SEND-24). One result per address, in order.
    Raises ``INVALID_REQUEST`` for the number of addresses, ``NOT_FOUND`` for the mailing or the person.
    """
    actor.require("send")
    if not 1 <= len(addresses_) <= MAX_TEST_ADDRESSES:
        raise GatewayError("INVALID_REQUEST", f"Test copies go to 1 to {MAX_TEST_ADDRESSES} addresses.",
                           field="address")
    with gateway.reading(actor) as unit:
        mailing = mailings.get(unit.connection, unit.brand_id, mailing_id)
        if mailing is None:
            raise GatewayError("NOT_FOUND", "There is no mailing of this id.", field="mailingId")
        draft = compose.untracked(replace(files.with_files(unit, mailing_id, mailing.draft),
                                          subject=TEST_PREFIX + mailing.draft.subject))
        prepared = compose.prepare(unit, draft, 0)
        values = compose.sample_values(unit, who, prepared)
    with compose.connection(gateway.settings) as connection:
        return tuple(_test_copy(connection, prepared, address, values) for address in addresses_)


def _test_copy(connection: SmtpConnection, prepared: compose.Prepared, address: str,
               values: dict[str, str]) -> TestCopy:
    email = addresses.normalise(address)
    if isinstance(email, Problem):
        return TestCopy(address, "failed", replace(email, field="address"))
    message = compose.test_message(prepared, email, values)
    outcome = send_now(connection, message.envelope_from, message.envelope_to, message.data)
    if outcome.kind is Verdict.ACCEPTED:
        return TestCopy(address, rules.ACCEPTED)
    text = f"The mail server did not take the copy ({outcome.stage}): {outcome.text}"
    status = {Verdict.REFUSED: rules.REFUSED, Verdict.DEFERRED: rules.DEFERRED}.get(outcome.kind, "failed")
    return TestCopy(address, status, Problem("UNAVAILABLE" if status != rules.REFUSED else "INVALID_VALUE", text,
                                             "address"))
