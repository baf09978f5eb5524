"""What is an operation of the contract: its messages, the right it needs, the transaction it runs in?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gateway.soap.encode import ANSWER
from gateway.soap.types.base import V1, Credentials, Record
from gateway.spynekit.models import mandatory

FREE, READ, FIND, WRITE, ACT, STEP, ASK, STREAM = "free", "read", "find", "write", "act", "step", "ask", "stream"
"""How an operation runs: without credentials; in a snapshot; in a feed's transaction (SOAP-70); in a write transaction
that also keeps the answer of its clientRequestId (SOAP-72); with the gateway, because it opens its own transactions:
its answer is kept (ACT: the key is reserved first; STEP: doing it twice changes nothing), or it only reads (ASK); with
the data of the call as a stream
(see :meth:`gateway.soap.invoke.Invoker.take`)."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. ``run`` answers the values of an ``answer``; what it raises becomes the fault."""

    name: str
    request: type[Record] | None
    answer: type[Record]
    way: str
    right: str
    run: Callable[..., Any]
    decode: Callable[[Any], Any] | None = None

    def bind(self, invoke: Callable[[Operation, Any, Any], None]) -> object:
        """This operation as Spyne wants it: ``invoke(operation, ctx, request)`` runs it and sets the answer."""
        def call(ctx: Any, request: Any) -> None:
            invoke(self, ctx, request)

        call.__name__ = self.name
        call.__doc__ = self.run.__doc__
        wrapper = type(f"{self.name}Answer", (Record,), {
            "__doc__": f"The answer of {self.name}.", ANSWER: mandatory(self.answer, (self.answer.__doc__ or ""))})
        return V1.operation(self.request, wrapper, decode=self.decode, _in_header=(Credentials,))(call)


def operation(name: str, request: type[Record] | None, answer: type[Record], *, way: str, right: str = "",
              decode: Callable[[Any], Any] | None = None) -> Callable[[Callable[..., Any]], Operation]:
    """Declares the operation that a function does. Its docstring is the operation's documentation in the WSDL.

    The function is ``run(unit, request)`` for READ, FIND and WRITE, ``run(gateway, actor, request)`` for ACT,
    STEP and ASK, ``run(gateway, request)`` for FREE, and for STREAM a context manager
    ``run(gateway, actor, request, stream)``.
    ``right`` is what the actor must have (SOAP-18); empty: the service says.
    """
    def declare(run: Callable[..., Any]) -> Operation:
        return Operation(name, request, answer, way, right, run, decode)
    return declare
