"""What is the published contract, and is it what the code makes? (SOAP-2..4)

The frozen files lie in ``wsdl/`` at the top of the repository; the package reaches them by a link, so that an
installed package carries the same files.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from gateway.soap.operation import Operation
from gateway.soap.server import OPERATIONS
from gateway.soap.types.base import NAMESPACE
from gateway.spynekit.kinds import service_class
from gateway.spynekit.protocols import build_application
from gateway.spynekit.wsdl import with_address, wsdl_document

NAME = "Gateway"
PATH = "/soap/v1"
PLACEHOLDER = "https://gateway.example.org" + PATH
"""The address in the frozen files; a server puts its own in its place."""

DOCUMENTATION = """Imports subscribers, sends mailings and reports what became of them. Every operation but GetVersion
and GetServerTime needs credentials: the header Credentials, a WS-Security UsernameToken or HTTP Basic. Words in
answers, such as states and codes, are open sets: expect new ones. New facts come in extra; ignore
names you do not know."""

FILES = {"wsdl": "gateway-v1.wsdl", "wsdl11": "gateway-v1-soap11.wsdl"}
"""Query word of the address -> frozen file; the second has the SOAP 1.1 port alone, for Axis 1 and xsdata."""

FOLDER = Path(__file__).parent / "wsdl"


def service(invoke: Callable[[Operation, Any, Any], None]) -> type:
    """The one service class of the contract, whose operations ``invoke`` runs."""
    return service_class(NAME, {each.name: each.bind(invoke) for each in OPERATIONS})


@cache
def published() -> dict[str, bytes]:
    """File name -> the document that the code makes, the same on every run and Python version."""
    application = build_application([service(refuse)], tns=NAMESPACE, name=NAME)
    return {name: wsdl_document(application, PLACEHOLDER, soap12=word == "wsdl", doc=DOCUMENTATION)
            for word, name in FILES.items()}


def refuse(operation: Operation, _ctx: Any, _request: Any) -> None:
    """Stands where a document is made and nothing is served."""
    raise RuntimeError(f"{operation.name} has no gateway")


def check() -> list[str]:
    """The names of the frozen files that are missing or not what the code makes; empty if all is well."""
    return [name for name, document in published().items() if frozen(name) != document]


def write() -> list[str]:
    """Writes the frozen files and answers their names. A published version never changes (SOAP-3): look at the
    difference before committing it."""
    for name, document in published().items():
        (FOLDER / name).write_bytes(document)
    return list(published())


def frozen(name: str) -> bytes | None:
    """The bytes of a frozen file, None if there is none."""
    path = FOLDER / name
    return path.read_bytes() if path.is_file() else None


def documents(public_url: str) -> dict[str, bytes]:
    """Query word -> what is served for it: the frozen file with the public address in it, nothing else changed.

    The address comes from the settings, never from a request (SOAP-2). Raises ``FileNotFoundError`` if a frozen file
    is missing: a server without its contract does not start.
    """
    return {word: with_address((FOLDER / name).read_bytes(), public_url + PATH) for word, name in FILES.items()}
