"""Which messages does the server noun have? (SOAP-36, SOAP-37)"""

from __future__ import annotations

from gateway.soap.types.base import V1, Record
from gateway.spynekit.kinds import DateTime, Unicode
from gateway.spynekit.models import list_of, mandatory


class ServerVersion(Record):
    """What is running here."""

    product = mandatory(Unicode, "The version of the product.")
    contract = mandatory(Unicode, "The version of this contract.")
    operation = list_of(Unicode, "An operation that this server serves.", at_least=1)
    extra = V1.extra()


class ServerTime(Record):
    """The server's clock."""

    now = mandatory(DateTime, "The time in UTC: a safe start for a next since.")
    extra = V1.extra()
