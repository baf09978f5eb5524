"""A caller's nights, as systems written for another vendor's Push v2 spend them: is a new base URL all they need?"""

import random

import pytest
import requests
import zeep

from gateway import doors
from gateway.domain.accounts import system_actor
from gateway.services import accounts, uploads
from tests.support.face import Installation, served
from tests.support.state import people_of
from tests.support.world import World

PERSONAL = ("subscriber", "remote_key", "source_values", "membership", "address_status", "interest", "interest_opt_out",
            "field")
GROUPS = {"north": "North Chapter", "south": "South Chapter", "board": "Board"}


class Ams:
    """A small membership system: what it knows of its people, and the programs of its nights.

    ``people``: id -> details, ``groups``: id -> group ids, ``news``: ids on its one list.
    """

    def __init__(self, seed, count):
        self.chance = random.Random(seed)
        self.people, self.groups, self.gone = {}, {}, set()
        for number in range(count):
            self.people[f"{number:04}"] = self._details(number)
            self.groups[f"{number:04}"] = set(self.chance.sample(sorted(GROUPS), self.chance.randint(0, 2)))
        self.news = set(self.chance.sample(sorted(self.people), count // 2))

    def _details(self, number):
        family = number // 2 if number % 10 < 2 else number  # some share an address
        return {"FirstName": f"First{number}", "LastName": f"Ö{number}",
                "IsMember": self.chance.choice(["True", "False"]), "PrimaryEmailAddress": f"P{family}@Example.org",
                "MemberSince": "2020-02-29T00:00:00-05:00",
                "DoNotEmail": self.chance.choice([True, "False", None, ""]), "Title": None, "Birthday": ""}

    def element(self, key):
        """ContactInfo as an old .NET program writes it."""
        if key in self.gone:
            return {"ContactDetails": {"ContactId": key, "IsDeleted": True, "FirstName": None}}
        return {
            "ContactDetails": {"ContactId": key, **self.people[key], "IsDeleted": False},
            "Groups": [{"GroupId": each, "GroupName": GROUPS[each], "GroupType": "Chapter", "Role": "", "EndDate": None,
                        "BeginDate": "2025-01-01T00:00:00.0000000Z"} for each in sorted(self.groups[key])],
            "Addresses": [{"AddressLine1": f"Street {key}", "AddressLine2": None, "City": "Ghent", "IsPrimary": True}],
            "PhoneNumbers": [{"FormattedNumber": "1", "IsPreferred": True}], "EmailAddresses": None}

    def change(self):
        """What a day brings."""
        for key in self.chance.sample(sorted(self.people), 5):
            self.people[key]["FirstName"] += "x"
        for key in self.chance.sample(sorted(self.people), 5):
            self.people[key]["PrimaryEmailAddress"] = f"new{key}@example.org"
        for key in self.chance.sample(sorted(self.people), 5):
            self.groups[key] ^= {"board"}
        self.gone |= set(self.chance.sample(sorted(self.people), 3))
        self.news ^= set(self.chance.sample(sorted(self.people), 4))

    def expected(self, key):
        """What we should know of a person who is not gone."""
        details = self.people[key]
        fields = {"FirstName": details["FirstName"], "LastName": details["LastName"],
                  "IsMember": details["IsMember"].lower(), "MemberSince": "2020-02-29", "City": "Ghent",
                  "AddressLine1": f"Street {key}", "Phone": "1"}
        interests = {GROUPS[each] for each in self.groups[key]} | ({"Monthly news"} if key in self.news else set())
        return details["PrimaryEmailAddress"].lower(), fields, sorted(interests)


def one_by_one(call, elements):
    """A timer: one record a call; the program looks at the status alone."""
    return [call.contacts(each).status for each in elements]


def by_hundreds(call, elements):
    """A batch job."""
    return [call.contacts(*elements[at:at + 100]).status for at in range(0, len(elements), 100)]


def check(call, ams):
    """Compares all that we know with what the membership system knows."""
    for key in ams.people:
        person = call.person(key)
        if key in ams.gone:
            assert (person["orphan"], call.interests(key)) == (True, [])
        else:
            email, fields, interests = ams.expected(key)
            assert (person["email"], call.fields(key), call.interests(key)) == (email, fields, interests), key
            assert person["orphan"] is False


@pytest.mark.parametrize("send", [one_by_one, by_hundreds])
def test_three_nights(house, call, send):
    """PUSH-76, PUSH-99, PUSH-101, PUSH-102: the full set, the same again, then what has changed; two brands."""
    ours, theirs = Ams(1, 60), Ams(2, 20)
    other = house.caller(brand_id=2)
    for caller, ams in ((call, ours), (other, theirs)):
        assert set(send(caller, [ams.element(key) for key in ams.people])) == {200}
        assert caller.lists({"ListId": "news", "ListName": "Monthly news", "Mode": "replace",
                             "ContactIds": sorted(ams.news)}).status == 200
        check(caller, ams)
    before = house.rows(*PERSONAL)
    house.world.clock.advance(hours=24)
    for caller, ams in ((call, ours), (other, theirs)):
        assert set(send(caller, [ams.element(key) for key in ams.people])) == {200}
        assert caller.lists({"ListId": "news", "ListName": "Monthly news", "Mode": "REPLACE",
                             "ContactIds": sorted(ams.news)}).json["unchanged"] == 1
    assert house.rows(*PERSONAL) == before
    ours.change()
    house.world.clock.advance(hours=24)
    assert set(send(call, [ours.element(key) for key in ours.people])) == {200}
    unknown = call.lists({"ListId": "news", "Mode": "Replace", "ContactIds": sorted(ours.news)}).json["results"][0]
    assert set(unknown["unknownContactIds"]) == ours.news & ours.gone
    ours.news -= ours.gone
    check(call, ours)
    check(other, theirs)


def flat(number, change=0):
    """A person in every door's words: remote ID, address, flag, fields."""
    return {"remoteId": f"{number:03}", "email": f"P{number % 35}.{change if number % 3 == 0 else 0}@Example.org",
            "doNotEmail": [None, True, False][(number + change) % 3],
            "fields": {"FirstName": f"Zoë{number}", "LastName": f"L{change}", "City": "Gent" if number % 2 else "",
                       "Birthday": "1990-01-31T00:00:00.000+13:00", "IsMember": "True", "Shoe": str(number),
                       "Phone": " 1 " if number % 5 else "", "PostalCode": "" if change else "01067"}}


def as_contact(person):
    fields = dict(person["fields"])
    return {"ContactDetails": {"ContactId": person["remoteId"], "PrimaryEmailAddress": person["email"],
                               "DoNotEmail": person["doNotEmail"],
                               **{name: fields[name] for name in ("FirstName", "LastName", "Birthday", "IsMember")}},
            "Addresses": [{"City": fields["City"], "PostalCode": fields["PostalCode"]}],
            "PhoneNumbers": [{"FormattedNumber": fields["Phone"]}],
            "Demographics": [{"Type": "Shoe", "Value": fields["Shoe"]}]}


def by_v2(house, brand_id, people):
    assert house.caller(brand_id=brand_id).contacts(*map(as_contact, people)).json["failed"] == 0


def by_soap(house, brand_id, people):
    address = f"http://127.0.0.1:{house.port}/soap/v1"
    who = {"Credentials": {"brandId": str(brand_id), "userName": "apiuser", "password": "open sesame"}}
    with requests.Session() as session:
        client = zeep.Client(f"{address}?wsdl", transport=zeep.Transport(session=session))
        service = client.create_service(next(iter(client.wsdl.bindings)), address)
        answer = service.ImportSubscribers(mode="AddOrUpdate", emptyValue="Clear", record=[
            {"remoteId": each["remoteId"], "email": each["email"], "doNotEmail": each["doNotEmail"],
             "field": [{"name": name, "value": value} for name, value in each["fields"].items()]} for each in people],
            _soapheaders=who)
    assert answer.failed == 0


def by_csv(house, brand_id, people):
    names = list(people[0]["fields"])
    rows = [["ContactId", "E-Mail", "DoNotEmail", *names]]
    rows += [[each["remoteId"], each["email"], "" if each["doNotEmail"] is None else str(each["doNotEmail"]),
              *each["fields"].values()] for each in people]
    text = "\r\n".join(",".join(f'"{cell}"' for cell in row) for row in rows)
    answer = house.caller(brand_id=brand_id)("POST", "/push/v1/imports?emptyValue=Clear", text.encode("utf-8-sig"),
                                             {"Content-Type": "text/csv"})
    assert answer.status == 202
    while pieces := uploads.due(house.gateway):
        for brand, upload_id in pieces:
            uploads.run_import(house.gateway, brand, upload_id)


@pytest.fixture
def whole_house(sqlite_url, tmp_path):
    """Every address, with brands 1 to 3."""
    with (World(sqlite_url, data_dir=tmp_path / "data", brands=(1, 2, 3)) as world,
          served(doors.wsgi(world.gateway)) as port):
        made = Installation(world, port)
        yield made
        made.close()


def test_every_door_ends_in_the_same_state(whole_house):
    """ID-P3: the same people over /v2, SOAP and CSV are the same people, after the first night and after changes."""
    house = whole_house
    for brand_id in (1, 2, 3):
        house.world.integration("ams", brand_id=brand_id)
        house.world.add_field("Shoe", brand_id=brand_id)
        with house.world.unit(system_actor(brand_id)) as unit:
            accounts.add_user(unit, "apiuser", "open sesame", "sender", integration="ams")
    for change in (0, 1, 1):
        people = [flat(number, change) for number in range(60)]
        states = []
        for brand_id, door in ((1, by_v2), (2, by_soap), (3, by_csv)):
            door(house, brand_id, people)
            with house.world.reading(system_actor(brand_id)) as unit:
                states.append(people_of(unit))
        assert len(states[0]) == 61
        assert states[0] == states[1] == states[2]
