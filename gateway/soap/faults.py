"""Which refusals does this door word by itself? How they look on the wire is spynekit's matter (SOAP-85)."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.errors import GatewayError

MEMBERS = {"columns": "column", "interests": "interest", "mailing": "mailingId", "instance": "instanceId",
           "files": "file"}
"""Members as the services and the PUSH doors call them, and as the contract does: a list by its item (SOAP-25)."""


def in_our_words(error: GatewayError) -> GatewayError:
    """``error`` with the members that it names called as in the contract."""
    field = MEMBERS.get(error.field or "", error.field)
    message = told(error.message)
    if (field, message) == (error.field, error.message):
        return error
    return GatewayError(error.code, message, field=field, retry_after_s=error.retry_after_s)


def told(message: str) -> str:
    """A service's sentence without the parameter of a URL."""
    return message.replace("with columns=", "in column").replace("columns=", "column")


def not_authenticated() -> GatewayError:
    """No credential of any kind, or several that name different users (SOAP-17)."""
    return GatewayError("NOT_AUTHENTICATED", "The credentials are missing or wrong. Send the Credentials header, a "
                                             "WS-Security UsernameToken or HTTP Basic.")


def stale_timestamp() -> GatewayError:
    """A wsu:Timestamp that is over or lies in the future (SOAP-20)."""
    return GatewayError("NOT_AUTHENTICATED", "The wsu:Timestamp has expired or lies in the future; check the clock.",
                        field="Timestamp")


def not_found(field: str) -> GatewayError:
    """An id that cannot be one of ours; worded as for one of another brand (SOAP-18)."""
    return GatewayError("NOT_FOUND", f"There is nothing of this {field} in this brand; check the id.", field=field)


def no_offset(field: str) -> GatewayError:
    """An instant that does not say where on earth it is meant (SOAP-29)."""
    return GatewayError("INVALID_DATE", f"{field} has no offset; write it as 2026-01-31T09:30:00Z or with +02:00.",
                        field=field)


def out_of_range(field: str) -> GatewayError:
    """An instant outside the years 1 to 9999 in UTC."""
    return GatewayError("INVALID_DATE", f"{field} is out of range.", field=field)


def empty_identifier() -> GatewayError:
    """An Identifier without a member."""
    return GatewayError("INVALID_REQUEST", "The identifier is empty; give subscriberId, remoteId or email.",
                        field="identifier")


def unknown_word(field: str, words: Sequence[str]) -> GatewayError:
    """A filter by a word that no row can have (SOAP-26)."""
    return GatewayError("INVALID_VALUE", f"{field} is one of {', '.join(words)}.", field=field)


def one_of_two(first: str, second: str) -> GatewayError:
    """Neither or both of two members that exclude each other."""
    return GatewayError("INVALID_REQUEST", f"Give either {first} or {second}.", field=first)


def begins_late(operation: str) -> GatewayError:
    """An operation that is read as a stream, behind so long a SOAP header that it was not taken for one."""
    return GatewayError("INVALID_REQUEST", f"{operation} must begin within the first 64 KiB of the message; send a "
                                           "shorter SOAP header.")
