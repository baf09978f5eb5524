"""Which messages does the server noun have? (SOAP-36..38)"""

from __future__ import annotations

from gateway.soap.types.base import V1, Record
from gateway.spynekit.kinds import Boolean, DateTime, Integer32, Unicode
from gateway.spynekit.models import list_of, mandatory, optional


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


class DescribeFieldsRequest(Record):
    """For whom to describe the fields."""

    integration = optional(Unicode, "The integration whose records these are; that of the credentials if left out.")


class FieldDescription(Record):
    """A member or field of a record."""

    name = mandatory(Unicode, "Its name in a record.")
    label = mandatory(Unicode, "What people call it; the remote ID of some systems is an iMIS ID.")
    type = mandatory(Unicode, "text, date, boolean, html or json; new words may come.")
    maxLength = mandatory(Integer32, "The longest value, in characters.")
    required = mandatory(Boolean, "Whether a record needs it. (One of remoteId and email is needed always.)")
    pickList = list_of(Unicode, "A value that it takes; none if it takes any.")
    source = mandatory(Unicode, "Whose it is, in the words of SubscriberField.source.")
    editable = mandatory(Boolean, "Whether a record may change it.")
    storage = mandatory(Unicode, "stored, or live if a foreign system is asked each time; new words may come.")
    extra = V1.extra()


class Limit(Record):
    """A limit in force."""

    name = mandatory(Unicode, "What it limits; new names may come.")
    value = mandatory(Integer32, "The most that is taken.")
    extra = V1.extra()


class FieldDescriptions(Record):
    """What the records of one integration may hold."""

    integration = mandatory(Unicode, "The integration.")
    field = list_of(FieldDescription, "A member or field: the identifiers first, then the brand's fields by name.")
    limit = list_of(Limit, "A limit in force.")
    unknownField = mandatory(Unicode, "What happens to a field that the brand does not have: warn (it is not stored), "
                                      "fail (the record fails) or create; new words may come.")
    extra = V1.extra()
