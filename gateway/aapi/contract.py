"""What is the published contract of the document API, and is it what the code makes? (aapi.md sections 1.2, 1.3)

One operation that existing clients were generated from: its names are theirs, not ours.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from gateway.spynekit.kinds import Unicode, service_class
from gateway.spynekit.models import declared_fault, mandatory, text_operation
from gateway.spynekit.protocols import build_application
from gateway.spynekit.wsdl import Names, schema_document, with_address, wsdl_document

NAMESPACE = "http://partner.informz.net/aapi/2009/08/"
NAME = "InformzWebService"
OPERATION, ARGUMENT = "PostInformzMessage", "x"
RESPONSE, RESULT = f"{OPERATION}Response", f"{OPERATION}Result"
FAULT = "InformzServiceFault"
PORT_TYPE = "IInformzWebServiceContract"
NAMES = Names(PORT_TYPE, f"BasicHttpBinding_{PORT_TYPE}", f"{NAMESPACE}{PORT_TYPE}/")
MOUNT = "/aapi"
PATH = f"{MOUNT}/InformzService.svc"
PLACEHOLDER = "https://gateway.example.org" + PATH
"""The address in the frozen file; a server puts its own in its place."""

FOLDER = Path(__file__).parents[1] / "soap" / "wsdl"
"""Where an installed package has the frozen contracts of all doors."""

FILE = "aapi.wsdl"

Post = Callable[[Any, str], None]
"""Answers one call: Spyne's context and the text of ``x``; it sets the answer by itself."""


def service(post: Post) -> type:
    """The service class, whose one operation ``post`` does."""
    fault = declared_fault(FAULT, NAMESPACE, "Why a message was refused; nothing of it was stored.", {
        "Code": mandatory(Unicode, "The kind of error.", exc=True),
        "Message": mandatory(Unicode, "What is wrong and what to do.", exc=True),
        "Reason": mandatory(Unicode, "The same as Message.", exc=True)})
    run = text_operation(OPERATION, ARGUMENT, post, fault, "Takes a GridRequest or an ActionRequest as text and "
                                                           "answers a GridResponse or an ActionResponse.")
    return service_class(NAME, {OPERATION: run})


def _refuse(_ctx: Any, _text: str) -> None:
    raise RuntimeError("a document is made here and nothing is served")


@cache
def published() -> dict[str, bytes]:
    """File name -> the document that the code makes, the same on every run and Python version."""
    application = build_application([service(_refuse)], tns=NAMESPACE, name=NAME)
    return {FILE: wsdl_document(application, PLACEHOLDER, names=NAMES)}


def check() -> list[str]:
    """The names of the frozen files that are missing or not what the code makes; empty if all is well."""
    path = FOLDER / FILE
    return [] if path.is_file() and path.read_bytes() == published()[FILE] else [FILE]


def write() -> list[str]:
    """Writes the frozen file and answers its name. Clients exist that were generated from the same names: look at the
    difference before committing it."""
    (FOLDER / FILE).write_bytes(published()[FILE])
    return [FILE]


def documents(public_url: str) -> dict[str, bytes]:
    """Query word -> what is served for it: the frozen file with the public address in it, or its schema alone.

    Raises ``FileNotFoundError`` if the frozen file is missing: a server without its contract does not start.
    """
    wsdl = with_address((FOLDER / FILE).read_bytes(), public_url + PATH)
    return {"wsdl": wsdl, "singlewsdl": wsdl, "xsd": schema_document(wsdl)}
