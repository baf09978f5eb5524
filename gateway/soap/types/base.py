"""Which types do all nouns share? (soap.md section 4)"""

from __future__ import annotations

from gateway.spynekit.kinds import DateTime, Integer32, Unicode
from gateway.spynekit.models import list_of, mandatory, optional, vocabulary

NAMESPACE = "urn:gateway:v1"
V1 = vocabulary(NAMESPACE)
"""The vocabulary of the contract; made once, because Spyne compares classes by identity."""

Record = V1.Record

NO_OFFSET_NOTE = "With offset or Z; 0 to 7 fraction digits."


class Credentials(Record):
    """Who calls, as a SOAP header. UsernameToken or HTTP Basic with the user name brandId/userName do as well."""

    brandId = mandatory(Unicode, "The number of the brand (account).")
    userName = mandatory(Unicode, "The user's name in that brand.")
    password = mandatory(Unicode, "The user's password.")


class GatewayWarning(Record):
    """Something that was done, but not quite as the sender may think."""

    code = mandatory(Unicode, "A code of the error catalogue; new codes may come.")
    field = optional(Unicode, "The member or field it is about.")
    message = mandatory(Unicode, "One sentence for a person.")
    extra = V1.extra()


class Identifier(Record):
    """Who is meant. Give at least one member; two that differ in person are refused with IDENTITY_MISMATCH."""

    subscriberId = optional(Unicode, "Our id of the subscriber.")
    remoteId = optional(Unicode, "The remote ID in the integration of the credentials; case and leading zeros count.")
    email = optional(Unicode, "The e-mail address; case does not count.")


def client_request_id() -> type:
    """The idempotency key of a write (SOAP-72)."""
    return optional(Unicode, "Your key of this request, 1 to 255 visible ASCII characters, kept 7 days. The same key "
                             "with the same content answers what the first call answered, with replayed true.")


def page_size() -> type:
    """How many rows the caller wants (SOAP-68)."""
    return optional(Integer32, "Rows a page, 1 to 5000; 500 if left out. A page may be shorter.")


def page_token() -> type:
    """Where the next page begins (SOAP-69)."""
    return optional(Unicode, "The nextToken of the page before, with the same filters; valid 7 days.")


def next_token() -> type:
    """The token of the next page (SOAP-68)."""
    return optional(Unicode, "Send it as pageToken for the next page; absent on the last page.")


def as_of() -> type:
    """The upper bound of a feed (SOAP-70)."""
    return mandatory(DateTime, "Everything recorded before this instant is in the pages; use it as the next since.")


def request_id() -> type:
    """The id of the call (SOAP-12)."""
    return mandatory(Unicode, "The id of this call in our log, as in the header X-Request-Id.")


def since(what: str) -> type:
    """The inclusive lower bound of a feed (SOAP-70)."""
    return optional(DateTime, f"Only {what} at or after this instant. {NO_OFFSET_NOTE}")


def until(what: str) -> type:
    """The exclusive upper bound of a feed (SOAP-70)."""
    return optional(DateTime, f"Only {what} before this instant. {NO_OFFSET_NOTE}")


def warnings() -> type:
    """The warnings of an answer."""
    return list_of(GatewayWarning, "What the sender should look at; nothing was refused.")
