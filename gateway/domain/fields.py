"""Which fields does every brand have from the start? (PUSH-26, the tables of push.md section 2)"""

from __future__ import annotations

import re

_TEXT = """FirstName LastName Prefix Gender OrganizationName Title WebsiteURL ProfileImageURL FacebookURL TwitterURL
LinkedinURL InformalName MiddleName Suffix Designation AlternativeContactId ParentContactId ContactType AddressLine1
AddressLine2 City StateProvince PostalCode CountryCode AddressType Phone PhoneType""".split()
_BOOLEAN = ["IsMember", "IsOrganization", "ExcludeFromDirectory"]
_DATE = ["Birthday", "MemberSince", "MemberExpiresOn"]

STANDARD_FIELDS: dict[str, str] = {
    **dict.fromkeys(_TEXT, "text"), **dict.fromkeys(_BOOLEAN, "boolean"), **dict.fromkeys(_DATE, "date"),
}
"""Field name -> kind (text, boolean, date)."""

_NOISE = re.compile(r"[\s_-]+")


def fold(name: str) -> str:
    """The form in which field and column names are compared: without case, blanks, ``-`` and ``_`` (PUSH-61)."""
    return _NOISE.sub("", name).lower()
