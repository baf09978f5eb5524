"""What ContactInfo elements of the compatible face say (push.md section 2): tables of cases."""

import datetime as dt

import pytest

from gateway.domain.contactinfo import contact_of, demographic_field
from gateway.domain.fields import STANDARD_FIELDS
from gateway.domain.records import Group

ADA = {"ContactId": "K-17", "FirstName": "Ada", "LastName": "Quill", "PrimaryEmailAddress": "ada@example.org"}


def read(details=None, **members):
    return contact_of({"ContactDetails": {**ADA, **(details or {})}, **members}).record


def codes(problems):
    return [(each.code, each.field) for each in problems]


def test_the_example_of_the_specification():
    """PUSH-19..23: a whole person with a group."""
    contact = contact_of({
        "ContactDetails": {**ADA, "DoNotEmail": False, "IsMember": True, "MemberExpiresOn": "2027-06-30T00:00:00.000Z"},
        "Groups": [{"GroupId": "north", "GroupName": "North Chapter", "GroupType": "Chapter",
                    "BeginDate": "2026-01-01T00:00:00.000-05:00"}]})
    record = contact.record
    assert (record.remote_id, record.email, record.do_not_email, record.whole, record.deleted) == (
        "K-17", "ada@example.org", False, True, False)
    assert record.values == {"FirstName": "Ada", "LastName": "Quill", "IsMember": "true",
                             "MemberExpiresOn": "2027-06-30T00:00:00.000Z"}
    assert record.groups == (Group("north", "North Chapter", dt.datetime(2026, 1, 1, 5, tzinfo=dt.UTC), None,
                                   {"type": "Chapter"}),)
    assert (record.problem, record.warnings, contact.contact_id) == (None, (), "K-17")
    assert contact.paths["FirstName"] == "ContactDetails.FirstName"


def test_every_field_of_the_tables_is_a_standard_field():
    """PUSH-26: what a ContactInfo may fill exists in every brand from the start."""
    details = {name: "1" for name in STANDARD_FIELDS}
    contact = contact_of({
        "ContactDetails": {**ADA, **{name: "1" for name in (
            "Prefix", "Gender", "OrganizationName", "Title", "WebsiteURL", "ProfileImageURL", "FacebookURL",
            "TwitterURL", "LinkedinURL", "IsMember", "IsOrganization", "Birthday", "InformalName", "MiddleName",
            "Suffix", "Designation", "AlternativeContactId", "ParentContactId", "ContactType", "MemberSince",
            "MemberExpiresOn", "ExcludeFromDirectory")}},
        "Addresses": [{name: "1" for name in ("AddressLine1", "AddressLine2", "City", "StateProvince", "PostalCode",
                                              "CountryCode", "AddressType", "IsBill", "DoNotPublish")}],
        "PhoneNumbers": [{"FormattedNumber": "1", "PhoneType": "1"}], "EmailAddresses": [{"EmailAddress": "b@b.org"}],
        "Education": [1], "JobHistory": [1], "Orders": [1]})
    assert contact.record.values.keys() == details.keys()
    assert (contact.record.problem, contact.record.warnings) == (None, ())


@pytest.mark.parametrize(("element", "code", "field"), [
    ("x", "INVALID_VALUE", None), (None, "INVALID_VALUE", None), ([], "INVALID_VALUE", None),
    ({}, "REMOTE_ID_REQUIRED", "ContactDetails.ContactId"),
    ({"ContactDetails": None}, "REMOTE_ID_REQUIRED", "ContactDetails.ContactId"),
    ({"ContactDetails": {**ADA, "ContactId": " "}}, "REMOTE_ID_REQUIRED", "ContactDetails.ContactId"),
    ({"ContactDetails": []}, "INVALID_VALUE", "ContactDetails"),
    ({"ContactDetails": {**ADA, "ContactId": 1.5}}, "INVALID_VALUE", "ContactDetails.ContactId"),
    ({"ContactDetails": {**ADA, "FirstName": {}}}, "INVALID_VALUE", "ContactDetails.FirstName"),
    ({"ContactDetails": {**ADA, "DoNotEmail": "perhaps"}}, "INVALID_VALUE", "ContactDetails.DoNotEmail"),
    ({"ContactDetails": {**ADA, "IsDeleted": "perhaps"}}, "INVALID_VALUE", "ContactDetails.IsDeleted"),
    ({"contactDetails": ADA}, "FIELD_UNKNOWN", "contactDetails"),
    ({"ContactDetails": {"contactId": "1"}}, "FIELD_UNKNOWN", "ContactDetails.contactId"),
    ({"ContactDetails": {**ADA, "contact_id": "1"}}, "FIELD_UNKNOWN", "ContactDetails.contact_id"),
    ({"ContactDetails": {**ADA, "doNotEmail": True}}, "FIELD_UNKNOWN", "ContactDetails.doNotEmail"),
    ({"ContactDetails": {**ADA, "isDeleted": True}}, "FIELD_UNKNOWN", "ContactDetails.isDeleted"),
    ({"ContactDetails": ADA, "groups": []}, "FIELD_UNKNOWN", "groups"),
    ({"ContactDetails": ADA, "Groups": {}}, "INVALID_VALUE", "Groups"),
    ({"ContactDetails": ADA, "Groups": [None]}, "INVALID_VALUE", "Groups[0]"),
    ({"ContactDetails": ADA, "Groups": ["x"]}, "INVALID_VALUE", "Groups[0]"),
    ({"ContactDetails": ADA, "Groups": [{"GroupName": "x"}]}, "INVALID_VALUE", "Groups[0].GroupId"),
    ({"ContactDetails": ADA, "Groups": [{"groupId": "x"}]}, "FIELD_UNKNOWN", "Groups[0].groupId"),
    ({"ContactDetails": ADA, "Groups": [{"GroupId": "x" * 256}]}, "FIELD_TOO_LONG", "Groups[0].GroupId"),
    ({"ContactDetails": ADA, "Groups": [{"GroupId": "a\0"}]}, "INVALID_CHARACTER", "Groups[0].GroupId"),
    ({"ContactDetails": ADA, "Groups": [{"GroupId": "x", "Role": "\ud800"}]}, "INVALID_CHARACTER", "Groups[0].Role"),
    ({"ContactDetails": ADA, "Groups": [{"GroupId": n} for n in range(201)]}, "FIELD_TOO_LONG", "Groups"),
    ({"ContactDetails": ADA, "Orders": [{"Note": "\0"}]}, "INVALID_CHARACTER", "Orders"),
    ({"ContactDetails": ADA, "Orders": [{"\ud800": 1}]}, "INVALID_CHARACTER", "Orders"),
    ({"ContactDetails": ADA, "Demographics": [{"Type": "Shoe", "Value": 1.5}]}, "INVALID_VALUE",
     "Demographics[0].Value")])
def test_elements_that_fail(element, code, field):
    """PUSH-9, PUSH-10, PUSH-20, PUSH-23: what is wrong, and where it stands."""
    problem = contact_of(element).record.problem
    assert (problem.code, problem.field) == (code, field)
    assert problem.message


def test_an_element_that_fails_still_says_who_it_is():
    """PUSH-101: the answer names the right one."""
    contact = contact_of({"ContactDetails": {**ADA, "DoNotEmail": []}})
    assert (contact.contact_id, contact.record.remote_id) == ("K-17", "K-17")


@pytest.mark.parametrize("value", ["", None])
def test_no_value(value):
    """PUSH-19, PUSH-96: what is left out, null and "" are the same: nothing is stored."""
    members = {name: value for name in ("Groups", "Addresses", "PhoneNumbers", "EmailAddresses", "Demographics",
                                        "Education", "JobHistory", "Orders")}
    details = {name: value for name in ("Title", "Birthday", "IsMember", "MemberSince", "DoNotEmail", "IsDeleted")}
    record = read(details, **members)
    assert record == read()
    assert record.values == {"FirstName": "Ada", "LastName": "Quill"}
    assert (record.do_not_email, record.groups) == (None, ())


@pytest.mark.parametrize(("value", "flag"), [
    (True, True), ("True", True), ("true", True), (" TRUE ", True), ("1", True), (1, True), (False, False),
    ("False", False), ("0", False), (0, False), (None, None), ("", None), (" ", None)])
def test_do_not_email_has_three_values(value, flag):
    """PUSH-21, PUSH-97."""
    assert read({"DoNotEmail": value}).do_not_email is flag


@pytest.mark.parametrize(("primary", "entries", "email"), [
    ("p@x.org", [("a@x.org", True)], "p@x.org"), ("", [("a@x.org", False)], "a@x.org"),
    (None, [("a@x.org", False), ("b@x.org", "True")], "b@x.org"), ("", [("a@x.org", None), ("b@x.org", None)], None),
    ("", [("", True), ("b@x.org", False)], "b@x.org"), (" ", [], None), ("", [(None, True)], None)])
def test_the_choice_of_the_address(primary, entries, email):
    """PUSH-20: the primary one, else the preferred, else the only one."""
    given = [{"EmailAddress": address, "IsPreferred": preferred} for address, preferred in entries]
    assert read({"PrimaryEmailAddress": primary}, EmailAddresses=given).email == email


def test_other_addresses_are_a_field():
    """The table of ContactInfo: stored, never mailed."""
    given = [{"EmailAddress": address} for address in ("ADA@example.org", "a@x.org", "b@x.org", "a@x.org")]
    assert read(EmailAddresses=given).values["OtherEmailAddresses"] == "a@x.org; b@x.org"


@pytest.mark.parametrize(("member", "mark", "path"), [
    ("EmailAddresses", "IsPreferred", "EmailAddresses[1].IsPreferred"),
    ("PhoneNumbers", "IsPreferred", "PhoneNumbers[1].IsPreferred"),
    ("Addresses", "IsPrimary", "Addresses[1].IsPrimary")])
def test_two_that_are_marked(member, mark, path):
    """PUSH-25, PUSH-97: the first counts, with a warning."""
    entries = [{"EmailAddress": f"{n}@x.org", "FormattedNumber": str(n), "City": str(n), mark: True} for n in (1, 2)]
    known = {"EmailAddresses": ("EmailAddress",), "PhoneNumbers": ("FormattedNumber",), "Addresses": ("City",)}[member]
    entries = [{name: value for name, value in entry.items() if name in (*known, mark)} for entry in entries]
    record = read({"PrimaryEmailAddress": ""}, **{member: entries})
    assert codes(record.warnings) == [("INVALID_VALUE", path)]
    assert {"EmailAddresses": record.email, "PhoneNumbers": record.values.get("Phone"),
            "Addresses": record.values.get("City")}[member] in ("1@x.org", "1")


def test_addresses_and_phones():
    """The table of ContactInfo: the primary address, else the first; the number as sent; null lines are empty."""
    utrecht = {"City": "Utrecht", "AddressLine1": "Oudegracht 1", "AddressLine2": None, "CountryCode": "NL",
               "IsPrimary": "True", "IsBill": "False"}
    record = read(Addresses=[{"City": "Ghent"}, utrecht],
                  PhoneNumbers=[{"FormattedNumber": ""}, {"FormattedNumber": "+31 (30) 1", "PhoneType": "Work"}])
    assert {"City": "Utrecht", "AddressLine1": "Oudegracht 1", "CountryCode": "NL", "IsBill": "False",
            "Phone": "+31 (30) 1", "PhoneType": "Work"}.items() <= record.values.items()
    assert "AddressLine2" not in record.values
    assert read(Addresses=[{"City": "Ghent"}, {"City": "Utrecht"}]).values["City"] == "Ghent"


@pytest.mark.parametrize(("text", "expected"), [
    ("2026-01-01T00:00:00.000-05:00", "2026-01-01T05:00:00"), ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00"),
    ("2026-01-01T00:00:00.1234567Z", "2026-01-01T00:00:00.123000"), ("0001-01-01T00:00:00", None),
    ("0001-01-01T00:00:00Z", None), ("0001-01-01T00:00:00.000-05:00", None), ("", None), (None, None),
    ("2026-02-30T00:00:00Z", "INVALID_DATE"), ("2026-01-01T00:00:00+0500", "INVALID_DATE"),
    ("2026-01-01T00:00:00", "INVALID_DATE"), ("2026-01-01", "INVALID_DATE"), ("soon", "INVALID_DATE"),
    ("2026-01-01T24:00:00Z", "INVALID_DATE"), (20260101, "INVALID_DATE")])
@pytest.mark.parametrize("member", ["BeginDate", "EndDate"])
def test_instants_of_groups(member, text, expected):
    """PUSH-7, PUSH-93, PUSH-98: both forms of the offset, 0 to 7 digits; the year 0001 is no value."""
    record = read(Groups=[{"GroupId": "n", member: text}])
    if expected == "INVALID_DATE":
        assert codes([record.problem]) == [("INVALID_DATE", f"Groups[0].{member}")]
        return
    found = record.groups[0].begins_at if member == "BeginDate" else record.groups[0].ends_at
    assert found == (None if expected is None else dt.datetime.fromisoformat(f"{expected}+00:00"))


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59.9999999-05:00", "9999-12-31T00:00:00Z"])
def test_the_greatest_date_is_no_end(text):
    """PUSH-23: what .NET sends for "never"."""
    assert read(Groups=[{"GroupId": "n", "EndDate": text}]).groups[0].ends_at is None


def test_groups_keep_what_they_say():
    """PUSH-23: names, types, roles, the day of joining; unknown types are taken; the last of two counts."""
    record = read(Groups=[
        {"GroupId": 7, "GroupName": None, "GroupType": "Odd", "GroupSubType": "x", "Role": "Chair",
         "InitialJoinDate": "2020-02-29T00:00:00.000+13:00"},
        {"GroupId": "N"}, {"GroupId": "n"}, {"GroupId": "N", "GroupName": "North"}])
    assert [(group.external_id, group.name) for group in record.groups] == [("7", "7"), ("n", "n"), ("N", "North")]
    assert record.groups[0].detail == {"type": "Odd", "subType": "x", "role": "Chair", "joined": "2020-02-29"}
    assert codes(record.warnings) == [("DUPLICATE_IN_BATCH", "Groups[3].GroupId")]


def test_a_deleted_person_needs_the_id_alone():
    """PUSH-22: all else in the element is ignored, whatever it is."""
    record = contact_of({"ContactDetails": {"ContactId": 18, "IsDeleted": "True", "FirstName": {}, "DoNotEmail": "x"},
                         "Groups": "x", "Strange": 1, "groups": []}).record
    assert (record.remote_id, record.deleted, record.problem, record.warnings, record.do_not_email) == (
        "18", True, None, (), None)
    missing = contact_of({"ContactDetails": {"IsDeleted": True, "contactId": "18"}}).record
    assert missing.problem.code == "FIELD_UNKNOWN"
    assert contact_of({"ContactDetails": {"IsDeleted": True}}).record.problem.code == "REMOTE_ID_REQUIRED"


def test_unknown_members_are_warnings():
    """PUSH-10, PUSH-103: at every level; at most twenty of them."""
    record = read({"Shoe": 1, "firstName": "x"}, TenantCode="t", Addresses=[{"Planet": 1}],
                  Groups=[{"GroupId": "n", "Colour": 1}])
    assert record.problem is None
    assert {field for code, field in codes(record.warnings)} == {
        "ContactDetails.Shoe", "ContactDetails.firstName", "TenantCode", "Addresses[0].Planet", "Groups[0].Colour"}
    assert len(read({f"X{n}": n for n in range(100)}).warnings) == 20


@pytest.mark.parametrize(("details", "field"), [
    ({"FirstName": ""}, "ContactDetails.FirstName"), ({"LastName": None}, "ContactDetails.LastName"),
    ({"IsOrganization": "True"}, "ContactDetails.OrganizationName"), ({"IsOrganization": "1", "OrganizationName": "O",
                                                                       "FirstName": "", "LastName": ""}, None)])
def test_missing_names_are_a_warning(details, field):
    """The table of ContactInfo: a person has two names, an organization one; stored all the same."""
    record = read(details)
    assert record.problem is None
    assert codes(record.warnings) == ([] if field is None else [("INVALID_VALUE", field)])


def test_demographics():
    """The table of ContactInfo: a field per type; several values are joined; standard fields are never touched."""
    record = read(Demographics=[
        {"Type": "Shoe size", "Value": 38}, {"DemographicTypeValue": "Skills", "DemographicValue": "Knots"},
        {"Type": "skills", "Value": "Sails"}, {"Type": "Skills", "Value": "Knots"}, {"Type": "Empty", "Value": ""},
        {"Type": "Education", "Value": "BSc"}, {"Value": "lost"}, {"Type": "--", "Value": "x"}])
    assert {name: text for name, text in record.values.items() if name not in ("FirstName", "LastName")} == {
        "Shoe size": "38", "Skills": "Knots; Sails", "DemographicEducation": "BSc"}
    assert codes(record.warnings) == [("INVALID_VALUE", "Demographics[6].Type"),
                                      ("INVALID_VALUE", "Demographics[7].Type")]
    assert demographic_field("first name") == "Demographicfirst name"


def test_documents_have_one_form():
    """PUSH-76: the order of an object's members is nothing new."""
    one = read(Orders=[{"b": 1, "a": None, "c": "é"}], Education=[], JobHistory=None)
    two = read(Orders=[{"c": "é", "a": None, "b": 1}])
    assert one.values == two.values
    assert one.values["Orders"] == '[{"a":null,"b":1,"c":"é"}]'
    assert read(Orders={"a": 1}, Education="BSc", JobHistory={}).values.items() >= {
        "Orders": '{"a":1}', "Education": '"BSc"'}.items()
