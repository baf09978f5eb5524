"""Which faults does the document API have, and what becomes one? (aapi.md section 8)"""

from __future__ import annotations

from typing import Any

from gateway.errors import GatewayError

INVALID_MESSAGE = "InvalidMessageException"
INVALID_DOCUMENT = "InvalidDocumentException"
NO_NAMESPACE = "NoNameSpaceSpecifiedException"
UNKNOWN_REQUEST = "UnknownRequestException"
UNEXPECTED_INPUT = "UnexpectedInputException"
BRAND_NOT_FOUND = "BrandNotFoundException"
NO_AVAILABLE_IP_ADDRESS = "NoAvailableIPAddressException"
INVALID_CREDENTIALS = "InvalidCredentialsException"
VALID_USER_NOT_FOUND = "ValidUserNotFoundException"
SYSTEM_ACCESS = "SystemAccessException"
UNKNOWN_ACTION = "UnknownActionException"
INVALID_GRID_CATEGORY = "InvalidGridCategoryException"
INVALID_DATA_FORMAT = "InvalidDataFormatException"
INSUFFICIENT_DATA = "InsufficientDataToCreateSubscriberException"
INSUFFICIENT_INFORMATION = "InsufficientInformationToCompleteActionException"
ITEM_NOT_FOUND = "ItemNotFoundException"
CONFLICTING_INFORMATION = "ConflictingInformationException"
MISMATCHED_TARGET_GROUPS = "MismatchedTargetGroupsException"
MULTIPLE_DEFAULT_TARGET_GROUPS = "MultipleDefaultTargetGroupsException"
CONFIGURATION_ERROR = "ConfigurationErrorException"
INTERNAL_ERROR = "InternalErrorException"


class AapiError(Exception):
    """A request that is refused as a whole: nothing of it was stored.

    ``code`` is one of the names above; ``reason`` is one sentence for a person that names the node, what is wrong with
    it and the remedy. ``line`` is where it stands in the inner document (1-based), where that is known.
    """

    def __init__(self, code: str, reason: str, node: Any = None) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason
        self.line: int | None = getattr(node, "sourceline", None)


_CODES = {
    # records
    "IDENTIFIER_MISSING": INSUFFICIENT_DATA, "EMAIL_MISSING": INSUFFICIENT_DATA,
    "REMOTE_ID_REQUIRED": INSUFFICIENT_INFORMATION, "IDENTITY_MISMATCH": CONFLICTING_INFORMATION,
    "AMBIGUOUS_EMAIL": CONFLICTING_INFORMATION, "INVALID_EMAIL": UNEXPECTED_INPUT, "INVALID_DATE": INVALID_DATA_FORMAT,
    "INVALID_CHARACTER": INVALID_DATA_FORMAT, "INVALID_VALUE": UNEXPECTED_INPUT, "FIELD_UNKNOWN": UNEXPECTED_INPUT,
    "FIELD_TOO_LONG": UNEXPECTED_INPUT, "NOT_EDITABLE": UNEXPECTED_INPUT, "LIST_UNKNOWN": ITEM_NOT_FOUND,
    "ALREADY_EXISTS": CONFLICTING_INFORMATION, "SUPPRESSED": UNEXPECTED_INPUT,
    # warnings: none of them refuses a request, but should one do so it is about what was sent
    "DUPLICATE_IN_BATCH": CONFLICTING_INFORMATION, "ADDRESS_CORRECTED": UNEXPECTED_INPUT,
    "OPTED_OUT_LINK_MOVED": UNEXPECTED_INPUT, "POSSIBLE_REPLACEMENT": UNEXPECTED_INPUT,
    "VALUE_NOT_EFFECTIVE": UNEXPECTED_INPUT, "INTEREST_OPTED_OUT": UNEXPECTED_INPUT, "ORPHAN": UNEXPECTED_INPUT,
    "NOT_SENDABLE": UNEXPECTED_INPUT,
    # requests
    "MALFORMED_REQUEST": INVALID_DOCUMENT, "INVALID_REQUEST": UNEXPECTED_INPUT, "INVALID_TOKEN": UNEXPECTED_INPUT,
    "NOT_AUTHENTICATED": INVALID_CREDENTIALS, "NOT_ALLOWED": SYSTEM_ACCESS, "NOT_FOUND": ITEM_NOT_FOUND,
    "METHOD_NOT_ALLOWED": INVALID_MESSAGE, "STATE_CONFLICT": UNEXPECTED_INPUT,
    "IDEMPOTENCY_CONFLICT": CONFLICTING_INFORMATION, "BRAKE_HELD": UNEXPECTED_INPUT, "IN_PROGRESS": INTERNAL_ERROR,
    "TOO_LARGE": INVALID_DOCUMENT, "TOO_MANY_RECORDS": UNEXPECTED_INPUT, "UNSUPPORTED_MEDIA_TYPE": INVALID_MESSAGE,
    "LIMIT_EXCEEDED": CONFIGURATION_ERROR, "TOO_MANY_REQUESTS": INTERNAL_ERROR, "UNAVAILABLE": INTERNAL_ERROR,
    "NOT_SUPPORTED": CONFIGURATION_ERROR, "INTERNAL_ERROR": INTERNAL_ERROR,
}
"""The catalogue's codes as this door words them: a caller of it knows no others."""


def from_gateway(error: GatewayError) -> AapiError:
    """The fault that a refusal of the services is. Of INTERNAL_ERROR nothing is told but that it is ours."""
    reason = error.entry.meaning if error.code == "INTERNAL_ERROR" else error.message
    return AapiError(_CODES[error.code], reason)
