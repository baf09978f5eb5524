"""Who asks what in an inner document, and how is the document of the answer written? (aapi.md sections 2, 4)"""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.aapi.answers import clean, leaf
from gateway.aapi.contract import NAMESPACE
from gateway.aapi.faults import (
    INSUFFICIENT_INFORMATION,
    INVALID_DOCUMENT,
    INVALID_MESSAGE,
    NO_NAMESPACE,
    UNKNOWN_REQUEST,
    AapiError,
)
from gateway.aapi.nodes import Node, child, content, local, only_child, text
from gateway.errors import GatewayError
from gateway.services.documentaccounts import NONE, Account
from gateway.spynekit.documents import parse_document


@dataclass(frozen=True, slots=True)
class Kind:
    """One of the two documents: its name, where it holds what is asked, what the answer calls both, and how much one
    document may ask."""

    request: str
    asked: str
    response: str
    answered: str
    most: int


GRIDS = Kind("GridRequest", "Grids", "GridResponse", "Grids", 100)
ACTIONS = Kind("ActionRequest", "Actions", "ActionResponse", "Responses", 1000)
KINDS = {kind.request: kind for kind in (GRIDS, ACTIONS)}

XMLNS = ('xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
         f'xmlns="{NAMESPACE}"')


@dataclass(frozen=True, slots=True)
class Request:
    """An inner document: what is asked, of which account, and by whom. Absent texts are empty."""

    kind: Kind
    number: str
    user: str
    password: str = field(repr=False)
    root: Node = field(repr=False)

    @property
    def asked(self) -> Node:
        """The node with the grids or actions. Raises ``InsufficientInformationToCompleteActionException``, and
        ``UnexpectedInputException`` for several."""
        node = only_child(self.root, self.kind.asked)
        if node is None:
            raise nothing_asked(self)
        return node


def nothing_asked(request: Request) -> AapiError:
    """The fault for a document without grids or actions."""
    return AapiError(INSUFFICIENT_INFORMATION, f"{request.kind.request} needs {request.kind.asked} with at least one "
                                               "element in it.", request.root)


def read(x: str) -> Request:
    """The inner document that ``x`` is. Its children may come in any order; the first of equal texts counts.

    Raises ``InvalidMessageException`` for no text, ``InvalidDocumentException`` for what cannot be read or is over a
    limit, ``NoNameSpaceSpecifiedException`` and ``UnknownRequestException`` for another root.
    """
    if not x or x.isspace():
        raise AapiError(INVALID_MESSAGE, "The element x is missing or empty; it holds a GridRequest or an "
                                         "ActionRequest as text.")
    try:
        root = parse_document(x)
    except GatewayError as error:
        raise AapiError(INVALID_DOCUMENT, error.message) from None
    if root.tag.rpartition("}")[0] != "{" + NAMESPACE:
        raise AapiError(NO_NAMESPACE, f"The document's first element must be in the namespace {NAMESPACE}.", root)
    kind = KINDS.get(local(root))
    if kind is None:
        raise AapiError(UNKNOWN_REQUEST, "The document must be a GridRequest or an ActionRequest.", root)
    brand = child(root, "Brand")
    number = "" if brand is None else brand.get("id") or ""
    return Request(kind, number, text(root, "User", "Username"), content(child(root, "Password")), root)


def write(kind: Kind, account: Account, user: str, answered: str) -> str:
    """The document of the answer around ``answered``, which is written already. No element has a prefix: old clients
    compare qualified names. Text and number of the account and the user's name are as stored."""
    declaration = "" if account.declaration == NONE else f'<?xml version="1.0" encoding="{account.declaration}"?>'
    brand = f'<Brand id="{account.number}">{clean(account.name)}</Brand>'
    return (f"{declaration}<{kind.response} {XMLNS}>{brand}{leaf('User', user)}<{kind.answered}>{answered}"
            f"</{kind.answered}></{kind.response}>")
