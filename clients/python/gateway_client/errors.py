"""What can go wrong with a call, as exceptions a program can tell apart."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import requests
import zeep.exceptions
from lxml import etree

NS = "{urn:gateway:v1}"


class GatewayFault(Exception):
    """The gateway refused a call and stored nothing of it.

    ``code`` is of the published catalogue; ``field`` names the element at fault, if one was;
    ``retryable`` says whether the same call may succeed later; quote ``request_id`` when you ask for help.
    """

    def __init__(self, code: str, message: str, field: str | None = None, request_id: str = "",
                 retryable: bool = False) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.field = code, message, field
        self.request_id, self.retryable = request_id, retryable


class NotAuthenticated(GatewayFault):
    """Brand, user name or password is wrong."""


class NotAllowed(GatewayFault):
    """The user does not have the right that this call needs."""


class NotFound(GatewayFault):
    """There is nothing of this id in the brand."""


class StateConflict(GatewayFault):
    """The mailing or instance is in a state that does not allow this step."""


class GatewayUnavailable(GatewayFault):
    """No answer, or one that is not of the gateway: try again later; writes may have happened."""


_CLASSES: dict[str, type[GatewayFault]] = {
    "NOT_AUTHENTICATED": NotAuthenticated, "NOT_ALLOWED": NotAllowed, "NOT_FOUND": NotFound,
    "STATE_CONFLICT": StateConflict, "UNAVAILABLE": GatewayUnavailable,
}


def from_fault(fault: zeep.exceptions.Fault) -> GatewayFault:
    """The exception of a SOAP fault; a fault without our detail becomes ``UNKNOWN``.

    zeep calls a page of a proxy in between a fault too, with the page's bytes as its detail.
    """
    if isinstance(fault.detail, bytes):
        return GatewayUnavailable("UNAVAILABLE", "The answer is not the gateway's: something stands in between.",
                                  retryable=True)
    detail = fault.detail.find(f".//{NS}GatewayFault") if fault.detail is not None else None
    if detail is None:
        return GatewayFault("UNKNOWN", fault.message or "The call was refused.")

    def text(name: str) -> str:
        return detail.findtext(NS + name) or ""

    code = text("code")
    return _CLASSES.get(code, GatewayFault)(code, text("message"), text("field") or None, text("requestId"),
                                            text("retryable") == "true")


@contextmanager
def translated() -> Iterator[None]:
    """Turns zeep's and the transport's exceptions into ours; a wrong argument stays a ``TypeError``."""
    try:
        yield
    except zeep.exceptions.Fault as fault:
        raise from_fault(fault) from None
    except zeep.exceptions.ValidationError as error:
        raise GatewayFault("INVALID_REQUEST", str(error)) from None
    except (requests.RequestException, zeep.exceptions.Error, etree.LxmlError) as error:
        raise GatewayUnavailable("UNAVAILABLE", f"No answer of the gateway: {type(error).__name__}.",
                                 retryable=True) from error
    except ValueError:  # lxml's word for NUL and the like
        raise GatewayFault("INVALID_CHARACTER", "A value holds NUL or another control character, which XML cannot "
                                                "carry. Remove it.") from None
