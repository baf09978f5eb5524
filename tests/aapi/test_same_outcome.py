"""One rule of identity: what comes over the document API, the typed API or PUSH makes the same people (section 6)."""

import pytest
from werkzeug.test import Client

from gateway.domain.accounts import SENDER, system_actor
from gateway.doors import wsgi
from gateway.services import accounts
from tests.aapi.door import PASSWORD, PATH, enveloped, inner_document
from tests.aapi.people import details, rows, subscribe, subscriber
from tests.support.shared import application
from tests.support.world import World

SOAP11 = "http://schemas.xmlsoap.org/soap/envelope/"
DOORS = {1: "aapi", 2: "soap", 3: "push"}
BATCHES = (
    [("ann@example.org", None), ("bob@example.org", "B1")],
    [("Ann@Example.org", "321"), ("bob@example.org", "B2")],  # adopts; a second record
    [("ann2@example.org", "321"), ("new@example.org", "N"), ("no address", "X")],  # overwrites the address
    [("ann2@example.org", " 321 "), ("cy@example.org", "case"), ("cy@example.org", "CASE")],  # trimmed, exactly
    [("ann@example.org", None), ("ann2@example.org", None)],  # free again; the one there is
    [("x@example.org", "T"), ("y@example.org", "T"), ("X@example.org", None)],  # several times in a batch
    [("new@example.org", "321")],  # somebody else's address
)


class Doors:
    """Three brands behind all doors, each with a user and a key without an integration."""

    def __init__(self, url, tmp_path):
        self.world = World(url, brands=tuple(DOORS), data_dir=tmp_path / "data")
        self.gateway = self.world.gateway
        self.browser = Client(application(wsgi, self.gateway))
        for brand in DOORS:
            with self.gateway.unit(system_actor(brand, "cli")) as unit:
                accounts.add_user(unit, "apiuser", PASSWORD, SENDER)
                self.key = accounts.add_key(unit, "api", ("import",))[1]

    def aapi(self, records):
        written = subscribe(*(subscriber(email, number) for email, number in records), interests=details("News"))
        text = inner_document("ActionRequest", "Actions", written, brand=1, user="apiuser")
        return self.browser.post(PATH, data=enveloped(text), content_type="text/xml").status_code

    def soap(self, records):
        written = "".join(f"<record>{f'<remoteId>{number}</remoteId>' if number else ''}<email>{email}</email></record>"
                          for email, number in records)
        return self.browser.post("/soap/v1", content_type="text/xml", data=(
            f'<s:Envelope xmlns:s="{SOAP11}"><s:Header><Credentials xmlns="urn:gateway:v1"><brandId>2</brandId>'
            f"<userName>apiuser</userName><password>{PASSWORD}</password></Credentials></s:Header><s:Body>"
            '<ImportSubscribers xmlns="urn:gateway:v1"><mode>AddOrUpdate</mode><interest>News</interest>'
            f"{written}</ImportSubscribers></s:Body></s:Envelope>").encode()).status_code

    def push(self, records):
        return self.browser.post("/push/v1/subscribers?interest=News", headers={"ApiKey": self.key}, json=[
            {"email": email} | ({"remoteId": number} if number else {}) for email, number in records]).status_code

    def people(self, brand):
        """Who there is, with which IDs and in which interests."""
        return rows(self, f"""SELECT s.email, (SELECT group_concat(k.remote_id) FROM remote_key k WHERE
            k.subscriber_id = s.id), (SELECT count(*) FROM membership m WHERE m.subscriber_id = s.id)
            FROM subscriber s WHERE s.brand_id = {brand} ORDER BY s.id""")

    def decisions(self, brand):
        """Which rule decided what about whom, and through which door."""
        return rows(self, f"SELECT door, status, rule, code FROM decision WHERE brand_id = {brand} ORDER BY id")


@pytest.fixture
def doors(sqlite_url, tmp_path):
    made = Doors(sqlite_url, tmp_path)
    yield made
    made.world.close()


def test_the_same_records_make_the_same_people(doors):
    """Also the same decisions, for the same reasons, each under the name of its door (ID-78)."""
    for batch in BATCHES:
        for name in DOORS.values():
            assert getattr(doors, name)(batch) == 200, (name, batch)
    first = doors.people(1)
    assert first[:2] == [("new@example.org", "321", 1), ("bob@example.org", "B1", 1)]
    assert first == doors.people(2) == doors.people(3)
    decided = {brand: doors.decisions(brand) for brand in DOORS}
    assert {brand: {door for door, *_ in found} for brand, found in decided.items()} == {
        brand: {door} for brand, door in DOORS.items()}
    assert len({tuple(each[1:] for each in found) for found in decided.values()}) == 1
