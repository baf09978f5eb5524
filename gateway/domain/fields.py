"""Which fields does every brand have from the start? (PUSH-26, the tables of push.md section 2)"""

from __future__ import annotations

import re

_TEXT = """FirstName LastName Prefix Gender OrganizationName Title WebsiteURL ProfileImageURL FacebookURL TwitterURL
LinkedinURL InformalName MiddleName Suffix Designation AlternativeContactId ParentContactId ContactType AddressLine1
AddressLine2 City StateProvince PostalCode CountryCode AddressType Phone PhoneType OtherEmailAddresses""".split()
_BOOLEAN = ["IsMember", "IsOrganization", "ExcludeFromDirectory", "IsBill", "DoNotPublish"]
_DATE = ["Birthday", "MemberSince", "MemberExpiresOn"]

OTHER_ADDRESSES = "OtherEmailAddresses"
"""The field of addresses that are known but never mailed."""
JSON = "json"
"""The kind of a field that is kept as a JSON text: shown, but of no use in audiences and merge tags."""
JSON_FIELDS = ("Education", "JobHistory", "Orders")
MAX_JSON = 65536
"""Characters of such a field."""

STANDARD_FIELDS: dict[str, str] = {
    **dict.fromkeys(_TEXT, "text"), **dict.fromkeys(_BOOLEAN, "boolean"), **dict.fromkeys(_DATE, "date"),
    **dict.fromkeys(JSON_FIELDS, JSON),
}
"""Field name -> kind (text, boolean, date, json)."""
DEMOGRAPHIC = "Demographic"
"""Goes before a type of Demographics that is called like a standard field."""

_NOISE = re.compile(r"[\s_-]+")


def fold(name: str) -> str:
    """The form in which field and column names are compared: without case, blanks, ``-`` and ``_`` (PUSH-61)."""
    return _NOISE.sub("", name).lower()
