"""How do tests knock at the document API? Documents by hand, through the WSGI application in this process."""

from __future__ import annotations

from dataclasses import dataclass
from xml.sax.saxutils import escape

from lxml import etree
from werkzeug.test import Client

from gateway.aapi.app import make_app
from gateway.domain.accounts import ADMIN, READER, SENDER, system_actor
from gateway.services import accounts
from tests.support.world import World

NS = "http://partner.informz.net/aapi/2009/08/"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
PATH = "/aapi/InformzService.svc"
PASSWORD = "a long password"
USERS = {"sender": SENDER, "reader": READER, "admin": ADMIN}


@dataclass(frozen=True)
class Fault:
    """A fault of this door: ``side`` is Client or Server, ``code`` None when it has no InformzServiceFault."""

    side: str
    reason: str
    code: str | None


class Refused(Exception):
    """A call that ended in a fault."""

    def __init__(self, fault):
        super().__init__(f"{fault.code}: {fault.reason}")
        self.fault, self.code, self.reason = fault, fault.code, fault.reason


class Door:
    """A gateway with brands 1 and 2, each with the users sender, reader and admin, behind its document API.

    ``actions`` and ``grids`` take the written elements and answer the lxml root of the inner answer, whose names are
    all in ``NS``; they raise :class:`Refused` for a fault. ``fault`` is for calls that must end in one.
    """

    def __init__(self, url, **options):
        self.world = World(url, brands=(1, 2), **options)
        self.gateway = self.world.gateway
        self.app = make_app(self.gateway)
        self.browser = Client(self.app)
        self.users = set()
        self.last_answer = None

    def close(self):
        """Closes the gateway."""
        self.world.close()

    def user(self, name, brand=1):
        """Makes the user on first use: hashing a password is slow on purpose."""
        if (name, brand) not in self.users:
            self.users.add((name, brand))
            with self.gateway.unit(system_actor(brand, "cli")) as unit:
                accounts.add_user(unit, name, PASSWORD, USERS[name])
        return name

    def actor(self, name="sender", brand=1):
        """The actor whom this user's calls act as."""
        return accounts.authenticate_user(self.gateway, brand, self.user(name, brand), PASSWORD, "127.0.0.1", "aapi")

    def actions(self, *actions, user="sender", brand=1):
        """The ActionResponse to these actions."""
        return self.document("ActionRequest", "Actions", "".join(actions), user, brand)

    def grids(self, *grids, user="sender", brand=1):
        """The GridResponse to these grids."""
        return self.document("GridRequest", "Grids", "".join(grids), user, brand)

    def fault(self, *parts, user="sender", brand=1):
        """The fault that these actions or grids end in."""
        ask = self.grids if parts[0].lstrip().startswith("<Grid") else self.actions
        try:
            ask(*parts, user=user, brand=brand)
        except Refused as refused:
            return refused.fault
        raise AssertionError("the call was answered")

    def document(self, root, container, inner, user="sender", brand=1):
        """The inner answer to a document around ``inner``."""
        return self.send(inner_document(root, container, inner, brand=brand, user=self.user(user, brand)))

    def send(self, text, **options):
        """The inner answer to the text of ``x``."""
        return inner(self.post(text, **options))

    def post(self, text, **options):
        """The HTTP answer to the text of ``x``."""
        return self.raw(enveloped(text), **options)

    def raw(self, content, *, path=PATH, content_type="text/xml; charset=utf-8", headers=None, **options):
        """The HTTP answer to a message."""
        self.last_answer = self.browser.post(path, data=content, content_type=content_type, headers=headers, **options)
        return self.last_answer


def inner_document(root, container, inner, *, brand=1, user="sender", password=PASSWORD):
    """A GridRequest or ActionRequest."""
    return (f'<{root} xmlns="{NS}"><Password>{escape(password)}</Password><Brand id="{brand}">x</Brand>'
            f"<User>{escape(user)}</User><{container}>{inner}</{container}></{root}>")


def enveloped(text):
    """A SOAP envelope around the text of ``x``."""
    return (f'<soap:Envelope xmlns:soap="{SOAP}"><soap:Body><PostInformzMessage xmlns="{NS}"><x>{escape(text)}</x>'
            "</PostInformzMessage></soap:Body></soap:Envelope>").encode()


def inner(answer):
    """The root of the inner answer in an HTTP answer; raises :class:`Refused` for a fault."""
    if answer.status_code != 200:
        raise Refused(read_fault(answer))
    text = result(answer)
    if text.startswith("<?xml"):
        text = text[text.index("?>") + 2:]
    return etree.fromstring(text)


def result(answer):
    """The text of PostInformzMessageResult."""
    response = etree.fromstring(answer.data)[0][0]
    assert response.tag == f"{{{NS}}}PostInformzMessageResponse"
    assert [child.tag for child in response] == [f"{{{NS}}}PostInformzMessageResult"]
    return response[0].text


def read_fault(answer):
    """What a fault says, with its form checked: HTTP 500, text/xml, the tree of aapi.md section 8 and no more."""
    assert answer.status_code == 500 and answer.content_type == "text/xml; charset=utf-8", answer.status
    fault = etree.fromstring(answer.data)[0][0]
    assert fault.tag == f"{{{SOAP}}}Fault"
    names = [child.tag for child in fault]
    assert names[:2] == ["faultcode", "faultstring"] and names[2:] in ([], ["detail"])
    prefix, _, side = fault[0].text.partition(":")
    assert fault.nsmap[prefix] == SOAP
    if len(fault) == 2:
        return Fault(side, fault[1].text, None)
    (detail,) = fault[2]
    assert detail.tag == f"{{{NS}}}InformzServiceFault"
    assert [etree.QName(child).localname for child in detail] == ["Code", "Message", "Reason"]
    assert {child.tag.rpartition("}")[0] for child in detail} == {"{" + NS}
    assert detail[1].text == detail[2].text == fault[1].text
    return Fault(side, fault[1].text, detail[0].text)
