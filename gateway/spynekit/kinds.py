"""Which of Spyne's names does a door need to write down its contract? Doors import them from here, never from Spyne."""

from __future__ import annotations

from collections.abc import Mapping

from spyne import Service
from spyne.model import ByteArray
from spyne.model.primitive import Boolean, Date, DateTime, Integer32, Unicode

__all__ = ["Boolean", "ByteArray", "Date", "DateTime", "Integer32", "Unicode", "service_class"]


def service_class(name: str, operations: Mapping[str, object]) -> type[Service]:
    """The one service class of an application, from operations by name (see ``Vocabulary.operation``).

    One class each application: several would make several services or duplicate ports in the WSDL.
    """
    return type(name, (Service,), {"__service_name__": name, **operations})
