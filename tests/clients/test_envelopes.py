"""Do the doors go on to take what real clients write on the wire? (SOAP-87; aapi.md section 1.1)

``tests/data/envelopes`` holds the requests, head and body; its README says where each comes from. They are replayed in
the order of the job that the clients did, each client's on a fresh database.
"""

from __future__ import annotations

import gzip

import pytest
from lxml import etree
from werkzeug.test import Client

from gateway.aapi.app import in_any_case
from gateway.aapi.app import make_app as make_document_door
from gateway.domain.accounts import system_actor
from gateway.services import accounts, subscribers
from gateway.soap.app import make_app as make_typed_door
from tests.aapi.door import read_fault as read_document_fault
from tests.aapi.door import result
from tests.support.envelopes import recorded
from tests.support.installation import PASSWORD
from tests.support.recorder import parse
from tests.support.shared import application
from tests.support.soap_fault import read_fault
from tests.support.world import World

TYPED, DOCUMENT = recorded("typed"), recorded("aapi")
JOB = ("GetServerTime", "ImportSubscribers", "GetMailing", "CreateMailing", "SendMailing", "GetMailingReport")
DOCUMENTS = ("Subscribe", "GridRequest", "Surprise")


@pytest.fixture
def world(sqlite_url, tmp_path):
    """A gateway with the brand and the user whom the recorded requests name."""
    with World(sqlite_url, brands=(9999,), data_dir=tmp_path) as made:
        with made.gateway.unit(system_actor(9999, "cli")) as unit:
            accounts.add_user(unit, "apiuser", PASSWORD, "admin")
        yield made


def first_names(world):
    """Those of the first people stored: what became of a text that needs escaping."""
    with world.unit(world.actor(brand_id=9999)) as unit:
        values = subscribers.merge_values(unit, (1, 2, 3))
    return [fields["FirstName"] for _, fields in sorted(values.items()) if "FirstName" in fields]


def replay(app, raw):
    """The HTTP answer to a recorded request, unpacked if the client had asked for gzip and got it."""
    request = parse(raw)
    left_out = {"content-length", "transfer-encoding", "host"}
    answer = Client(app).open(request.target, method=request.method, data=request.body, headers=[
        (name, value) for name, value in request.headers if name.lower() not in left_out])
    if answer.headers.get("Content-Encoding") == "gzip":
        answer.data = gzip.decompress(answer.data)
    return answer


def test_nothing_recorded_is_left_out():
    """Every file is one that the tests below replay, and each client has at least its first request and a refusal."""
    for clients, kinds, least in ((TYPED, JOB, {"GetMailing"}), (DOCUMENT, DOCUMENTS, set(DOCUMENTS))):
        assert len(clients) >= 12
        for client, requests in clients.items():
            assert least <= set(requests) <= set(kinds), client


@pytest.mark.parametrize("client", TYPED)
def test_the_typed_door_takes_what_a_client_writes(client, world):
    """SOAP-87: the whole job is answered, and the mailing that does not exist is a fault of the request's version."""
    app = application(make_typed_door, world.gateway)
    for kind in [each for each in JOB if each in TYPED[client]]:
        answer = replay(app, TYPED[client][kind])
        if kind == "GetMailing":
            assert read_fault(answer.data, "urn:gateway:v1").code == "NOT_FOUND"
            assert answer.content_type.split(";")[0] == parse(TYPED[client][kind]).header("Content-Type").split(";")[0]
            continue
        assert answer.status_code == 200, (kind, answer.text)
        told = etree.fromstring(answer.data).find("{*}Body")[0]
        assert etree.QName(told).localname == f"{kind}Response"
        if kind == "ImportSubscribers":
            assert (told.findtext(".//{*}overall"), told.findtext(".//{*}failed")) == ("Partial", "1")
            assert first_names(world) == ["Zoë & Ann"]


@pytest.mark.parametrize("client", DOCUMENT)
def test_the_document_door_takes_what_a_client_writes(client, world):
    """Section 1.1: a subscription, a question for a grid and an unknown action, whatever the envelope and its head."""
    app = in_any_case(application(make_document_door, world.gateway))
    answers = {kind: replay(app, DOCUMENT[client][kind]) for kind in DOCUMENTS}
    assert "<NewSubscriberCount>2</NewSubscriberCount>" in result(answers["Subscribe"])
    assert first_names(world) == ["Zoë & Ann"]
    assert '<Field element="Email">ann' in result(answers["GridRequest"])
    assert read_document_fault(answers["Surprise"]).code == "UnknownActionException"
