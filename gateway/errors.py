"""Which errors exist, and what does each of them mean at every door?

One catalogue (soap.md section 9) serves SOAP and PUSH alike. A door translates a
:class:`GatewayError` in exactly one file; it never invents a code of its own.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    """One row of the catalogue.

    ``status`` is the HTTP status at the PUSH doors when the code refuses a whole request (400 for
    codes that only ever stand at a record). ``side`` says who must act: ``Client`` or ``Server``.
    """

    status: int
    side: str
    retryable: bool
    meaning: str


def _client(status: int, meaning: str, *, retryable: bool = False) -> Code:
    return Code(status, "Client", retryable, meaning)


def _server(status: int, meaning: str, *, retryable: bool = True) -> Code:
    return Code(status, "Server", retryable, meaning)


CATALOGUE: dict[str, Code] = {
    # records
    "IDENTIFIER_MISSING": _client(400, "The record names neither a remote ID nor an e-mail address."),
    "EMAIL_MISSING": _client(400, "A new person needs an e-mail address."),
    "REMOTE_ID_REQUIRED": _client(400, "This door or integration needs the remote ID."),
    "IDENTITY_MISMATCH": _client(400, "Remote ID and address name two people, and overwriting is not allowed."),
    "AMBIGUOUS_EMAIL": _client(409, "Several records have this address; name the remote ID."),
    "INVALID_EMAIL": _client(400, "The e-mail address is not valid."),
    "INVALID_DATE": _client(400, "The date or instant is not valid."),
    "INVALID_CHARACTER": _client(400, "The text holds a character that cannot be stored."),
    "INVALID_VALUE": _client(400, "The value is not one that this field takes."),
    "FIELD_UNKNOWN": _client(400, "No such field; the value is not stored."),
    "FIELD_TOO_LONG": _client(400, "The value is longer than the field allows."),
    "NOT_EDITABLE": _client(400, "The field is live or read-only."),
    "LIST_UNKNOWN": _client(422, "No such interest, and the credential may not create it."),
    "ALREADY_EXISTS": _client(409, "The person or thing is known already."),
    "SUPPRESSED": _client(400, "Erased on request; not stored."),
    # warnings
    "DUPLICATE_IN_BATCH": _client(400, "The same upload has already created or changed this subscriber."),
    "ADDRESS_CORRECTED": _client(400, "An obvious slip in the address was corrected."),
    "OPTED_OUT_LINK_MOVED": _client(400, "A link of an opted-out person moved to another record."),
    "POSSIBLE_REPLACEMENT": _client(400, "The same run deleted one remote ID of this address and brought another."),
    "VALUE_NOT_EFFECTIVE": _client(400, "The value is stored, but another source's value comes first."),
    "INTEREST_OPTED_OUT": _client(400, "The person has left this interest; an import does not add them again."),
    "ORPHAN": _client(400, "The record is an orphan and stays one."),
    "NOT_SENDABLE": _client(400, "Stored, but the person's status blocks mail."),
    # requests
    "MALFORMED_REQUEST": _client(400, "The request could not be read."),
    "INVALID_REQUEST": _client(400, "The request can be read but is not what this operation takes."),
    "INVALID_TOKEN": _client(400, "The page token is damaged, expired or belongs to another query."),
    "NOT_AUTHENTICATED": _client(401, "The credentials are missing or wrong."),
    "NOT_ALLOWED": _client(403, "The credentials do not have this right."),
    "NOT_FOUND": _client(404, "There is nothing of this id in this brand."),
    "METHOD_NOT_ALLOWED": _client(405, "This address does not take this HTTP method."),
    "STATE_CONFLICT": _client(409, "The thing is in a state that does not allow this step."),
    "IDEMPOTENCY_CONFLICT": _client(409, "The idempotency key was used for another request."),
    "BRAKE_HELD": _client(409, "The mass change waits for an administrator's release."),
    "IN_PROGRESS": _client(409, "The first request with this key is still running.", retryable=True),
    "TOO_LARGE": _client(413, "The request is larger than this address takes."),
    "TOO_MANY_RECORDS": _client(413, "More records than one synchronous call takes."),
    "UNSUPPORTED_MEDIA_TYPE": _client(415, "This content type or encoding is not taken here."),
    "LIMIT_EXCEEDED": _client(422, "A limit on fields, interests or waiting jobs is exceeded."),
    "TOO_MANY_REQUESTS": _server(429, "Too many requests; wait and try again."),
    "UNAVAILABLE": _server(503, "The store is busy or stopping; nothing was done."),
    "NOT_SUPPORTED": _client(501, "This is not supported."),
    "INTERNAL_ERROR": _server(500, "Our fault; nothing was stored. The request id is in the log."),
}


class GatewayError(Exception):
    """A request that is refused as a whole: nothing of it was stored.

    ``message`` is one sentence for a person that names the reason and the remedy; ``field`` is the
    member at fault in the words of the door. Raises ``KeyError`` for a code outside the catalogue.
    Problems of one record among many are values (outcomes), never exceptions.
    """

    def __init__(self, code: str, message: str = "", *, field: str | None = None,
                 retry_after_s: int | None = None) -> None:
        self.code = code
        self.entry = CATALOGUE[code]
        self.message = message or self.entry.meaning
        self.field = field
        self.retry_after_s = retry_after_s
        super().__init__(f"{code}: {self.message}")

    @property
    def status(self) -> int:
        """The HTTP status at the PUSH doors."""
        return self.entry.status

    @property
    def side(self) -> str:
        """``Client`` when the caller must change something, ``Server`` when it may try again."""
        return self.entry.side

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later."""
        return self.entry.retryable


class SettingsError(Exception):
    """A setting is unknown or has a bad value; the message names it and the remedy."""
