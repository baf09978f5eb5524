"""Which operations does the server noun have, and which are served in all? (SOAP-36..38)"""

from __future__ import annotations

from typing import Any

from gateway import __version__
from gateway.services import description
from gateway.services.gateway import Gateway, Unit
from gateway.soap import (
    convert,
    groups,
    imports,
    interests,
    lifecycle,
    mailings,
    reporting,
    subscribers,
    syncs,
    writebacks,
)
from gateway.soap.encode import Values
from gateway.soap.operation import FREE, READ, operation
from gateway.soap.types.server import DescribeFieldsRequest, FieldDescriptions, ServerTime, ServerVersion

CONTRACT_VERSION = "v1"
NOUNS = (subscribers, imports, interests, mailings, lifecycle, reporting, writebacks, groups, syncs)


@operation("GetVersion", None, ServerVersion, way=FREE)
def get_version(_gateway: Gateway, _request: Any) -> Values:
    """Tells what runs here and which operations it serves. Needs no credentials."""
    return {"product": __version__, "contract": CONTRACT_VERSION, "operation": [each.name for each in OPERATIONS]}


@operation("GetServerTime", None, ServerTime, way=FREE)
def get_server_time(gateway: Gateway, _request: Any) -> Values:
    """Tells the time in UTC, the safe start of a next since. Needs no credentials."""
    return {"now": gateway.clock()}


@operation("DescribeFields", DescribeFieldsRequest, FieldDescriptions, way=READ, right="report")
def describe_fields(unit: Unit, request: Any) -> Values:
    """Tells which members and fields a record may have, what people call them, and the limits in force."""
    return convert.description(description.describe(unit, request.integration))


OPERATIONS = (get_version, get_server_time, describe_fields, *(each for noun in NOUNS for each in noun.OPERATIONS))
"""Every operation of the contract."""
