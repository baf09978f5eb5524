"""What does a ContactInfo of the compatible face say of a person? (PUSH-19..23, PUSH-25, the tables of section 2)"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.domain import contactgroups
from gateway.domain.addresses import holds_forbidden, printable
from gateway.domain.documents import as_text
from gateway.domain.fields import DEMOGRAPHIC, JSON_FIELDS, OTHER_ADDRESSES, STANDARD_FIELDS, fold
from gateway.domain.members import Findings, Members, members_of
from gateway.domain.records import MAX_REMOTE_ID, Problem, SubscriberRecord

DETAILS, GROUPS, ADDRESSES, PHONES, EMAILS, DEMOGRAPHICS = (
    "ContactDetails", "Groups", "Addresses", "PhoneNumbers", "EmailAddresses", "Demographics")
CONTACT_ID, ADDRESS, FLAG, DELETED = "ContactId", "PrimaryEmailAddress", "DoNotEmail", "IsDeleted"
CONTACT_MEMBERS = (DETAILS, GROUPS, ADDRESSES, PHONES, EMAILS, DEMOGRAPHICS, *JSON_FIELDS)
DETAIL_FIELDS = (
    "FirstName", "LastName", "Prefix", "Gender", "OrganizationName", "Title", "WebsiteURL", "ProfileImageURL",
    "FacebookURL", "TwitterURL", "LinkedinURL", "IsMember", "IsOrganization", "Birthday", "InformalName", "MiddleName",
    "Suffix", "Designation", "AlternativeContactId", "ParentContactId", "ContactType", "MemberSince", "MemberExpiresOn",
    "ExcludeFromDirectory")
"""Members of ContactDetails that are fields of the same name."""
DETAIL_MEMBERS = (CONTACT_ID, ADDRESS, FLAG, DELETED, *DETAIL_FIELDS)
ADDRESS_FIELDS = ("AddressLine1", "AddressLine2", "City", "StateProvince", "PostalCode", "CountryCode", "AddressType",
                  "IsBill", "DoNotPublish")
ADDRESS_MEMBERS = (*ADDRESS_FIELDS, "IsPrimary")
PHONE_MEMBERS = ("FormattedNumber", "PhoneType", "IsPreferred", "DoNotPublish")
EMAIL_MEMBERS = ("EmailAddress", "EmailType", "IsPreferred", "DoNotPublish")
DEMOGRAPHIC_MEMBERS = ("Type", "DemographicTypeValue", "Value", "DemographicValue")
_WEIGHTY = (DETAILS, GROUPS, EMAILS)
_WEIGHTY_DETAILS = (CONTACT_ID, ADDRESS, FLAG, DELETED)
_JOINED = "; "
BLANKS = " \t\r\n"
"""What may stand around a text; other white space is a control character, which fails the element (PUSH-6)."""
_STANDARD = {fold(name) for name in STANDARD_FIELDS}


@dataclass(frozen=True, slots=True)
class Contact:
    """One element as read. ``contact_id``: its ContactId, fit to be repeated in the answer.

    ``paths``: where each field, ``email`` and so on stand in the element, for problems that show later.
    """

    record: SubscriberRecord
    contact_id: str | None = None
    paths: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Values:
    """Field name -> text, as far as there is one; and where it stands. What is not here is cleared (PUSH-19)."""

    texts: dict[str, str | None] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)

    def put(self, name: str, text: str, path: str) -> None:
        self.paths[name] = path
        if text:
            self.texts[name] = text


def contact_of(value: Any) -> Contact:
    """The person's whole state; whatever is wrong with the element stands in its record's ``problem``.

    Of a deleted person ContactId alone is read (PUSH-22). Values are not converted to their fields' kinds here.
    """
    if not isinstance(value, dict):
        return Contact(SubscriberRecord(problem=Problem("INVALID_VALUE", "An element is a JSON object.")))
    findings = Findings()
    top = members_of(findings, "", value, CONTACT_MEMBERS, _WEIGHTY)
    details = top.child(DETAILS, DETAIL_MEMBERS, _WEIGHTY_DETAILS)
    remote_id = details.key(CONTACT_ID)
    if not remote_id:
        findings.fail("REMOTE_ID_REQUIRED", "Every person needs a ContactId: it is how the next push finds them.",
                      details.at(CONTACT_ID))
    echo = printable(remote_id, MAX_REMOTE_ID) or None
    if _is_deleted(details):
        return Contact(_deleted(details, remote_id), echo, {"remoteId": details.at(CONTACT_ID)})
    values = _Values(paths={"remoteId": details.at(CONTACT_ID), "doNotEmail": details.at(FLAG), "interests": GROUPS,
                            "groups": GROUPS})
    email = _emails(top, details, values)
    _details(details, values)
    _address(top, values)
    _phone(top, values)
    _demographics(top, values)
    _documents(top, values)
    groups = contactgroups.groups_of(top, GROUPS)
    flag = details.flag(FLAG)
    record = SubscriberRecord(
        remote_id or None, email or None, values.texts, do_not_email=flag, problem=findings.problem,
        warnings=tuple(findings.warnings), whole=True, groups=groups)
    return Contact(record, echo, values.paths)


def _is_deleted(details: Members) -> bool:
    return bool(details.flag(DELETED))


def _deleted(details: Members, remote_id: str) -> SubscriberRecord:
    """All else in the element is ignored, whatever is wrong with it (PUSH-22); but not what names the person."""
    own = {details.at(name) for name in details.given if fold(name) in (fold(CONTACT_ID), fold(DELETED))}
    own |= {details.at(CONTACT_ID)}
    problem = next((each for each in details.findings.problems if each.field in own), None)
    return SubscriberRecord(remote_id or None, problem=problem, whole=True, deleted=True)


def _emails(top: Members, details: Members, values: _Values) -> str:
    """The address that is mailed (PUSH-20); the others become a field and are never mailed."""
    entries = [entry for entry in top.children(EMAILS, EMAIL_MEMBERS) if entry.text("EmailAddress").strip()]
    preferred = _marked(entries, "IsPreferred") or (entries[0] if len(entries) == 1 else None)
    chosen, values.paths["email"] = details.text(ADDRESS).strip(), details.at(ADDRESS)
    if not chosen and preferred is not None:
        chosen, values.paths["email"] = preferred.text("EmailAddress").strip(), preferred.at("EmailAddress")
    elif not chosen and entries:
        top.findings.warn("INVALID_VALUE", "Several addresses, and none is marked preferred: none was taken. "
                                           "Mark one, or send PrimaryEmailAddress.", EMAILS)
    others = dict.fromkeys(text for text in (entry.text("EmailAddress").strip() for entry in entries)
                           if text.lower() != chosen.lower())
    values.put(OTHER_ADDRESSES, _JOINED.join(others), EMAILS)
    return chosen


def _details(details: Members, values: _Values) -> None:
    for name in DETAIL_FIELDS:
        values.put(name, details.text(name), details.at(name))
    needed = ("OrganizationName",) if details.flag("IsOrganization") else ("FirstName", "LastName")
    missing = [name for name in needed if not (values.texts.get(name) or "").strip()]
    if missing:
        details.findings.warn("INVALID_VALUE", f"Stored without {' and '.join(missing)}: a person has a first and a "
                                               "last name, an organization its name.", details.at(missing[0]))


def _address(top: Members, values: _Values) -> None:
    entries = list(top.children(ADDRESSES, ADDRESS_MEMBERS))
    chosen = _marked(entries, "IsPrimary") or (entries[0] if entries else None)
    if chosen is not None:
        for name in ADDRESS_FIELDS:
            values.put(name, chosen.text(name), chosen.at(name))


def _phone(top: Members, values: _Values) -> None:
    entries = [entry for entry in top.children(PHONES, PHONE_MEMBERS) if entry.text("FormattedNumber").strip(BLANKS)]
    chosen = _marked(entries, "IsPreferred") or (entries[0] if entries else None)
    if chosen is not None:
        values.put("Phone", chosen.text("FormattedNumber"), chosen.at("FormattedNumber"))
        values.put("PhoneType", chosen.text("PhoneType"), chosen.at("PhoneType"))


def _marked(entries: Sequence[Members], mark: str) -> Members | None:
    """The first entry that bears the mark, with a warning if it is not the only one (PUSH-25)."""
    marked = [entry for entry in entries if entry.flag(mark)]
    if len(marked) > 1:
        marked[1].findings.warn("INVALID_VALUE", "Several are marked; the first counts.", marked[1].at(mark))
    return marked[0] if marked else None


def _demographics(top: Members, values: _Values) -> None:
    """A field per type; several values of one type are joined, in the order sent."""
    found: dict[str, tuple[str, str, list[str]]] = {}
    for entry in top.children(DEMOGRAPHICS, DEMOGRAPHIC_MEMBERS):
        kind = (entry.text("Type") or entry.text("DemographicTypeValue")).strip()
        text = entry.text("Value") or entry.text("DemographicValue")
        if not kind:
            entry.findings.warn("INVALID_VALUE", "A value without a Type; it was ignored.", entry.at("Type"))
            continue
        name = demographic_field(kind)
        if not fold(name):
            entry.findings.warn("INVALID_VALUE", "The Type has no letter or digit; it was ignored.", entry.at("Type"))
        elif text:
            found.setdefault(fold(name), (name, entry.at("Value"), []))[2].append(text)
    for name, path, texts in found.values():
        values.put(name, _JOINED.join(dict.fromkeys(texts)), path)


def demographic_field(kind: str) -> str:
    """The name of the field that a type of Demographics fills; never one that ContactDetails fills as well."""
    return f"{DEMOGRAPHIC}{kind}" if fold(kind) in _STANDARD else kind


def _documents(top: Members, values: _Values) -> None:
    """Education, JobHistory and Orders: kept as the JSON that came, of whatever shape, in one form."""
    for name in JSON_FIELDS:
        items = top.given.get(name)
        if items in (None, "", [], {}):
            continue
        if any(holds_forbidden(text) for text in _texts(items)):
            top.findings.fail("INVALID_CHARACTER", "A text holds a control character or a broken one. Remove it.", name)
        else:
            values.put(name, as_text(items), name)


def _texts(value: Any) -> Iterable[str]:
    """Every text in a JSON value, names of members too; JSON of a body is at most 16 levels deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield name
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
