"""How do tests knock at the SOAP door? zeep over SOAP 1.1 and 1.2 in this process, and envelopes by hand."""

from __future__ import annotations

import functools
from pathlib import Path

import zeep
from lxml import etree
from werkzeug.test import Client

from gateway.domain.accounts import ADMIN, READER, SENDER, system_actor
from gateway.services import accounts
from gateway.soap.app import make_app
from tests.support.shared import application
from tests.support.soap_fault import E11, E12, read_fault
from tests.support.world import World
from tests.support.wsgi_transport import WsgiTransport

TNS = "urn:gateway:v1"
WSDL = Path(__file__).parents[2] / "wsdl" / "gateway-v1.wsdl"
PASSWORD = "a long password"
USERS = {"sender": SENDER, "reader": READER, "admin": ADMIN, "integration": "integration"}
PORTS = {"1.1": "GatewaySoap", "1.2": "GatewaySoap12"}
ENVELOPES = {"1.1": E11, "1.2": E12}
TYPES = {"1.1": "text/xml; charset=utf-8", "1.2": "application/soap+xml; charset=utf-8"}


@functools.cache
def schema():
    """The contract's schema: every answer must be valid against it."""
    node = etree.parse(WSDL).find(".//{http://www.w3.org/2001/XMLSchema}schema")
    return etree.XMLSchema(etree.fromstring(etree.tostring(node)))  # again, with the prefixes that its types use


class CheckedTransport(WsgiTransport):
    """Checks each answer that is no fault against the frozen schema."""

    def post(self, address, message, headers):
        response = super().post(address, message, headers)
        if response.status_code == 200:
            check_answer(response.content)
        return response


def check_answer(content):
    """The body's one child is valid; its request id, if it has one, is text."""
    root = etree.fromstring(content)
    entry = root.find("{*}Body")[0]
    assert schema().validate(entry), schema().error_log
    return entry


@functools.cache
def zeep_client():
    """One client of the frozen WSDL in strict mode; tests put their own application into its transport."""
    return zeep.Client(str(WSDL), transport=CheckedTransport(None))


class Refused(Exception):
    """A call that ended in a fault; ``told`` is what it said, ``status`` the HTTP status."""

    def __init__(self, told, status):
        super().__init__(f"{told.code}: {told.message} [{told.field}]")
        self.told = told
        self.code, self.field, self.message, self.status = told.code, told.field, told.message, status


class Door:
    """A gateway with brands 1 and 2, each with the users sender, reader and admin, behind its SOAP application."""

    def __init__(self, url, **options):
        self.world = World(url, brands=(1, 2), **options)
        self.gateway = self.world.gateway
        self.app = application(make_app, self.gateway)
        self.browser = Client(self.app)
        self.version = "1.1"
        self.users = set()

    def user(self, name, brand=1):
        """Makes the user on first use: hashing a password is slow on purpose."""
        if (name, brand) not in self.users:
            self.users.add((name, brand))
            with self.gateway.unit(system_actor(brand, "cli")) as unit:
                accounts.add_user(unit, name, PASSWORD, USERS[name])
        return {"brandId": str(brand), "userName": name, "password": PASSWORD}

    def call(self, operation, *, user="sender", brand=1, version=None, **members):
        """What zeep makes of the answer; raises :class:`Refused` for a fault of ours."""
        client = zeep_client()
        transport = client.transport
        transport.client = self.browser
        service = client.bind("Gateway", PORTS[version or self.version])
        headers = {} if user is None else {"Credentials": self.user(user, brand)}
        try:
            return service[operation](_soapheaders=headers, **members)
        except zeep.exceptions.Fault:
            told = read_fault(transport.last_answer.content, TNS)
            assert transport.last_answer.headers["X-Request-Id"] == told.request_id
            raise Refused(told, transport.last_answer.status_code) from None

    @property
    def last_answer(self):
        """zeep's last HTTP answer."""
        return zeep_client().transport.last_answer

    def post(self, body, *, user="sender", brand=1, version="1.1", header=None, headers=None, **options):
        """The HTTP answer to an envelope around ``body`` (text); ``header`` replaces the Credentials header."""
        if header is None:
            header = "" if user is None else credentials(**self.user(user, brand))
        text = (f'<s:Envelope xmlns:s="{ENVELOPES[version]}" xmlns:g="{TNS}"><s:Header>{header}</s:Header>'
                f"<s:Body>{body}</s:Body></s:Envelope>")
        return self.send(text.encode(), version=version, headers=headers, **options)

    def send(self, content, *, version="1.1", headers=None, content_type=None):
        """The HTTP answer to ``content`` (bytes)."""
        return self.browser.post("/soap/v1", data=content, content_type=content_type or TYPES[version], headers=headers)

    def refusal(self, answer):
        """What the fault in an HTTP answer says."""
        told = read_fault(answer.data, TNS)
        assert answer.headers["X-Request-Id"] == told.request_id
        return told


def credentials(brandId, userName, password):
    """The Credentials header as text."""
    return (f"<g:Credentials><g:brandId>{brandId}</g:brandId><g:userName>{userName}</g:userName>"
            f"<g:password>{password}</g:password></g:Credentials>")
