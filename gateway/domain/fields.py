"""Which fields does every brand have from the start? (PUSH-26, the tables of push.md section 2)"""

from __future__ import annotations

import re
from dataclasses import dataclass

_TEXT = """FirstName LastName Prefix Gender OrganizationName Title WebsiteURL ProfileImageURL FacebookURL TwitterURL
LinkedinURL InformalName MiddleName Suffix Designation AlternativeContactId ParentContactId ContactType AddressLine1
AddressLine2 City StateProvince PostalCode CountryCode AddressType Phone PhoneType OtherEmailAddresses""".split()
_BOOLEAN = ["IsMember", "IsOrganization", "ExcludeFromDirectory", "IsBill", "DoNotPublish"]
_DATE = ["Birthday", "MemberSince", "MemberExpiresOn"]

OTHER_ADDRESSES = "OtherEmailAddresses"
"""The field of addresses that are known but never mailed."""
JSON = "json"
"""The kind of a field that is kept as a JSON text: shown, but of no use in audiences and merge tags."""
HTML = "html"
"""The kind of a field whose values are markup: they stand in the HTML of a mailing as they are (SEND-40)."""
JSON_FIELDS = ("Education", "JobHistory", "Orders")
MAX_JSON = 65536
"""Characters of such a field."""

STANDARD_FIELDS: dict[str, str] = {
    **dict.fromkeys(_TEXT, "text"), **dict.fromkeys(_BOOLEAN, "boolean"), **dict.fromkeys(_DATE, "date"),
    **dict.fromkeys(JSON_FIELDS, JSON),
}
"""Field name -> kind (text, boolean, date, json); ``html`` is the kind of fields that a brand makes itself."""
DEMOGRAPHIC = "Demographic"
"""Goes before a type of Demographics that is called like a standard field."""

_NOISE = re.compile(r"[\s_-]+")


def fold(name: str) -> str:
    """The form in which field and column names are compared: without case, blanks, ``-`` and ``_`` (PUSH-61)."""
    return _NOISE.sub("", name).lower()


@dataclass(frozen=True, slots=True)
class FieldDefinition:
    """A field as a sender describes it beside its data. ``default``: what rendering shows where a person has no value;
    ``category``: set for a demographic."""

    name: str
    kind: str = "text"
    default: str | None = None
    category: str | None = None
