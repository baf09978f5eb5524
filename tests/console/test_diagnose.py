"""Why was my call refused? ``/diagnose`` shows what was understood of it, without credentials, to who may know."""

from xml.sax.saxutils import escape

import pytest
from werkzeug.test import Client

from gateway import doors
from gateway.domain.accounts import ADMIN, READER, system_actor
from gateway.services import accounts, brandsettings, diagnosis
from gateway.services.diagnosis import readable
from tests.aapi.door import PATH, enveloped, inner_document
from tests.support.shared import application
from tests.support.world import World

SECRET = "a long password"
SOAP11 = "http://schemas.xmlsoap.org/soap/envelope/"


class Console:
    """Brands 1 and 2 behind all doors; brand 1 keeps its refused calls."""

    def __init__(self, url, tmp_path):
        self.world = World(url, brands=(1, 2), data_dir=tmp_path / "data")
        self.gateway = self.world.gateway
        self.browser = Client(application(doors.wsgi, self.gateway))
        self.users = set()
        self.choose(1, "true")

    def user(self, brand, name):
        """Made on first use: hashing a password is slow on purpose."""
        if (brand, name) not in self.users:
            self.users.add((brand, name))
            with self.gateway.unit(system_actor(brand, "cli")) as unit:
                accounts.add_user(unit, name, SECRET, READER if name == "looker" else ADMIN)
        return name

    def choose(self, brand, value):
        with self.gateway.unit(system_actor(brand, "cli")) as unit:
            brandsettings.change(unit, {"diagnose": value})

    def typed(self, body, *, brand=1, password=SECRET):
        """Posts an envelope to the typed API, and says which status it had."""
        self.user(brand, "apiuser")
        header = (f'<h:Credentials xmlns:h="urn:gateway:v1"><brandId>{brand}</brandId><userName>apiuser</userName>'
                  f"<password>{escape(password)}</password></h:Credentials>")
        text = (f'<soap:Envelope xmlns:soap="{SOAP11}">\n<soap:Header>{header}</soap:Header>\n<soap:Body>\n{body}\n'
                "</soap:Body></soap:Envelope>")
        return self.post("/soap/v1", text.encode())

    def document(self, inner, *, brand=1, password=SECRET):
        """Posts a document to the document API."""
        text = inner_document("ActionRequest", "Actions", inner, brand=brand,
                              user=self.user(brand, "apiuser"), password=password)
        return self.post("/aapi/InformzService.svc", enveloped(text.replace("<Actions>", "\n<Actions>\n")))

    def post(self, path, content):
        answer = self.browser.post(path, data=content, content_type="text/xml; charset=utf-8")
        self.gateway.failures.settle()
        return answer

    def page(self, brand=1, user="apiuser", password=SECRET):
        return self.browser.get("/diagnose", auth=(f"{brand}/{self.user(brand, user)}", password))


@pytest.fixture
def console(sqlite_url, tmp_path):
    made = Console(sqlite_url, tmp_path)
    yield made
    made.world.close()


IMPORT = ('<t:ImportSubscribers xmlns:t="urn:gateway:v1"><records><record><email>ann@example.org</email></record>'
          "<record><email>bob@example.org</email><nonsense>1</nonsense></record></records></t:ImportSubscribers>")


def test_a_refused_call_of_the_typed_api(console):
    answer = console.typed(IMPORT)
    assert answer.status_code == 500
    shown = console.page().text
    assert "typed SOAP API" in shown and "nonsense" in shown and "ann@example.org" in shown
    assert answer.headers["X-Request-Id"] in shown
    assert "ImportSubscribers/records/record[2]/email" in shown


def test_a_refused_document(console):
    console.document("<Subscribe>\n<SubscriberData><Subscribers><Subscriber/></Subscribers></SubscriberData></Subscribe>")
    shown = console.page().text
    assert "document API (AAPI)" in shown and "InsufficientDataToCreateSubscriberException" in shown
    assert "x/ActionRequest/Actions/Subscribe" in shown


def test_credentials_are_nowhere(console):
    """Good or bad ones, in the page or in the table."""
    console.typed(IMPORT)
    console.typed(IMPORT, password="wrong & <secret>")
    console.document("<Nothing/>")
    console.document("<Nothing/>", password="wrong & <secret>")
    console.post("/soap/v1", b"<Envelope><brandId>1</brandId><password>wrong &amp; &lt;secret&gt;")
    shown = console.page().text
    assert shown.count("<section") == 5 and shown.count("***") >= 5
    assert SECRET not in shown and "secret" not in shown.replace("wrong or missing", "")


def test_a_document_that_names_two_brands_is_nobodys(console):
    """Brand 2 must not read what a user of brand 1 sent with its number somewhere in it."""
    console.choose(2, "true")
    console.document('<!-- <Brand id="2"/> --><Nothing/>')
    assert "No call was refused" in console.page(1).text and "No call was refused" in console.page(2).text


def test_credentials_in_odd_forms_are_in_no_page(console):
    """Numbers with zeros before them, and characters of two bytes."""
    text = enveloped(inner_document("ActionRequest", "Actions", "<Nothing/>", user="apiuser", password="odd one"))
    console.post(PATH, text.replace(b"&lt;Password&gt;", b"&#060;Pass&#0119;ord&#x003e;"))
    shown = console.page().text
    assert "InvalidCredentialsException" in shown and "odd one" not in shown
    assert "odd one" not in readable("<Password>odd one</Password>".encode("utf-16-le"))


def test_a_broken_envelope_names_the_line(console):
    console.post("/soap/v1", f'<e:Envelope xmlns:e="{SOAP11}">\n<e:Header><brandId>1</brandId></e:Header>\n<e:Body>\n'
                             "<a></b></e:Body></e:Envelope>".encode())
    assert "line 4" in console.page().text


def test_a_prefix_that_is_not_declared(console):
    """The most usual mistake of a caller who writes XML by hand: the answer is a fault, and it is shown."""
    console.document("<q:Subscribe/>")
    console.post("/soap/v1", f'<e:Envelope xmlns:e="{SOAP11}"><e:Header><brandId>1</brandId></e:Header><e:Body><q:a/>'
                             "</e:Body></e:Envelope>".encode())
    shown = console.page().text
    assert "InvalidDocumentException" in shown and "MALFORMED_REQUEST" in shown


def test_a_fault_is_answered_whatever_happens_to_what_is_kept(console, monkeypatch):
    def fail(*_):
        raise RuntimeError

    monkeypatch.setattr(diagnosis, "is_kept", fail)
    answer = console.document("<Nothing/>")
    assert answer.status_code == 500 and b"<Code>UnknownActionException" in answer.data


def test_only_those_of_the_brand_who_may_import(console):
    """Two brands: neither sees the other's; a reader sees none; a brand that did not ask keeps none."""
    console.choose(2, "true")
    console.typed(IMPORT)
    console.typed(IMPORT.replace("bob", "eve"), brand=2)
    assert "bob@" in console.page(1).text and "eve@" not in console.page(1).text
    assert "eve@" in console.page(2).text and "bob@" not in console.page(2).text
    assert console.page(user="looker").status_code == 403
    assert console.page(password="wrong").status_code == 401
    assert console.browser.get("/diagnose").headers["WWW-Authenticate"].startswith("Basic")


def test_off_by_default(console):
    console.typed(IMPORT, brand=2)
    page = console.page(2)
    assert page.status_code == 409 and "gateway brand set --brand 2 diagnose=true" in page.text
    console.choose(2, "true")
    assert "No call was refused" in console.page(2).text


def test_only_the_newest_are_kept(console):
    for number in range(22):
        console.typed(IMPORT.replace("bob", f"bob{number}"))
    shown = console.page().text
    assert shown.count("<section") == 20 and "bob21@" in shown and "bob1@" not in shown


def test_they_are_forgotten_after_a_week(console):
    console.typed(IMPORT)
    console.world.clock.advance(days=7, seconds=1)
    assert "No call was refused" in console.page().text


def test_markup_in_an_envelope_is_text(console):
    console.typed(IMPORT.replace("bob", "&lt;script&gt;alert(1)&lt;/script&gt;"))
    page = console.page()
    assert "<script" not in page.text
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert page.headers["Cache-Control"] == "no-store"


def test_other_addresses_and_methods(console):
    assert console.browser.get("/diagnose/other").status_code == 404
    assert console.browser.post("/diagnose").status_code == 405
    assert console.browser.head("/diagnose").status_code == 401
