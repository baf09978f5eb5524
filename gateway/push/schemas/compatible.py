"""The elements of the compatible face, and what became of each (PUSH-16, PUSH-17, PUSH-27)."""

from __future__ import annotations

from dataclasses import replace

from gateway.domain.contactgroups import MODES
from gateway.domain.records import MAX_INTEREST, MAX_REMOTE_ID, MAX_SYNC_RECORDS
from gateway.push.schemas.common import CODE
from gateway.push.schemas.kinds import Either, Fixed, Flag, Instant, Kind, Many, Named, Number, Text, Texts, Thing
from gateway.push.schemas.people import BATCH, OUTCOME

_EMPTY = Fixed("", "no value")
_DAY = Text("a day, yyyy-MM-dd, or an instant whose day is taken as written")
_WHEN = Either((Instant(), _EMPTY))
_TEXT, _FLAG = Text(), Flag()
_CONTACT_ID = Text("your own id of the person; keeps its digits", MAX_REMOTE_ID)


def _all(kind: Kind, names: str) -> dict[str, Kind]:
    return dict.fromkeys(names.split(), kind)


CONTACT_DETAILS = Thing(
    "ContactDetails", {"ContactId": _CONTACT_ID},
    {"PrimaryEmailAddress": Text("the address that is mailed"),
     "DoNotEmail": Flag("true sets, an explicit false clears the flag; silence keeps it (PUSH-21)"),
     "IsDeleted": Flag("the link ends; nothing else of the element is read (PUSH-22)"),
     **_all(_TEXT, "FirstName LastName Prefix Gender OrganizationName Title WebsiteURL ProfileImageURL FacebookURL "
                   "TwitterURL LinkedinURL InformalName MiddleName Suffix Designation AlternativeContactId "
                   "ParentContactId ContactType"),
     **_all(_FLAG, "IsMember IsOrganization ExcludeFromDirectory"),
     **_all(_DAY, "Birthday MemberSince MemberExpiresOn")},
    lenient=True)
GROUP = Thing(
    "Group", {"GroupId": Text("names the interest; upper and lower case differ", MAX_INTEREST)},
    {"GroupName": Text("as people read it", MAX_INTEREST), **_all(_TEXT, "GroupType GroupSubType Role"),
     "InitialJoinDate": _DAY, "BeginDate": _WHEN, "EndDate": _WHEN},
    "A membership; outside its two dates it rests (PUSH-23).", lenient=True)
ADDRESS = Thing(
    "Address", {}, {**_all(_TEXT, "AddressLine1 AddressLine2 City StateProvince PostalCode CountryCode AddressType"),
                    **_all(_FLAG, "IsPrimary IsBill DoNotPublish")},
    "The primary one, else the first, becomes fields.", lenient=True)
_MARKS = _all(_FLAG, "IsPreferred DoNotPublish")
PHONE = Thing("PhoneNumber", {}, {**_all(_TEXT, "FormattedNumber PhoneType"), **_MARKS},
              "The preferred one, else the first, becomes the field Phone.", lenient=True)
EMAIL = Thing("EmailAddress", {}, {**_all(_TEXT, "EmailAddress EmailType"), **_MARKS},
              "Mailed only when PrimaryEmailAddress is empty and it is preferred or the only one (PUSH-20).",
              lenient=True)
DEMOGRAPHIC = Thing("Demographic", {}, _all(_TEXT, "Type DemographicTypeValue Value DemographicValue"),
                    "A field per type.", lenient=True)
_KEPT = Many(Named(Either((Text(), Flag(), Number()))), "kept as JSON; of no use in audiences and merge tags")

CONTACT = Thing(
    "ContactInfo", {"ContactDetails": CONTACT_DETAILS},
    {"Groups": Many(GROUP), "Addresses": Many(ADDRESS), "PhoneNumbers": Many(PHONE), "EmailAddresses": Many(EMAIL),
     "Demographics": Many(DEMOGRAPHIC), "Education": _KEPT, "JobHistory": _KEPT, "Orders": _KEPT},
    "One person, whole. Unknown members are a warning, never an error (PUSH-10).", lenient=True)
"""Read by ``domain.contactinfo``, as what is wrong with one element fails that element alone (PUSH-11)."""

CONTACTS = Many(CONTACT, most=MAX_SYNC_RECORDS)
CONTACTS_EXAMPLE = [
    {"ContactDetails": {"ContactId": "K-17", "FirstName": "Ada", "LastName": "Quill",
                        "PrimaryEmailAddress": "ada@example.org", "DoNotEmail": False, "IsMember": True,
                        "MemberExpiresOn": "2027-06-30T00:00:00.000Z"},
     "Groups": [{"GroupId": "north", "GroupName": "North Chapter", "GroupType": "Chapter",
                 "BeginDate": "2026-01-01T00:00:00.000-05:00"}]},
    {"ContactDetails": {"ContactId": "K-18", "IsDeleted": True}}]

LIST = Thing(
    "List", {"Mode": Text(f"one of {', '.join(MODES)}, in any case"), "ContactIds": Texts("whom it is about")},
    {"ListId": Text("names the list; needed here or in ListName", MAX_INTEREST),
     "ListName": Text("as people read it", MAX_INTEREST)},
    "Memberships of one list (PUSH-24).", lenient=True)
LISTS = Many(LIST, most=MAX_SYNC_RECORDS)
LISTS_EXAMPLE = [{"ListId": "news", "ListName": "Monthly news", "Mode": "Add", "ContactIds": ["K-17", "K-19"]}]

CONTACT_OUTCOME = replace(OUTCOME, name="ContactOutcome", optional={"ContactId": Text(), **OUTCOME.optional})
LIST_OUTCOME = Thing(
    "ListOutcome", OUTCOME.needed,
    {"ListId": Text(), "rule": Text("the rule that decided"), "code": CODE, "field": Text("the member at fault"),
     "message": Text("reason and remedy"), "unknownContactIds": Texts("nobody has these ids; the others were applied")},
    "What became of one list.")
_REFUSED = {"code": CODE, "retryable": Flag()}


def _batch(name: str, outcome: Thing) -> Thing:
    return replace(BATCH, name=name, needed={**BATCH.needed, "results": Many(outcome, "in the order sent")},
                   optional=_REFUSED, about="With status 422 every element failed, and code is that of the first.")


CONTACT_BATCH = _batch("ContactBatchReport", CONTACT_OUTCOME)
LIST_BATCH = _batch("ListBatchReport", LIST_OUTCOME)
