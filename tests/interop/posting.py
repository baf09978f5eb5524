"""How do generated clients of old integrations post documents? A small driver of each, below ``drivers/``."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType
from typing import Any

import suds

from tests.support.installation import PASSWORD, ROOT
from tests.support.samples import JARS, SAAJ, run

DRIVERS = Path(__file__).parent / "drivers"
WSDL = ROOT / "wsdl" / "aapi.wsdl"
NS = "http://partner.informz.net/aapi/2009/08/"
BINDING = f"{{{NS}}}BasicHttpBinding_IInformzWebServiceContract"
JAXWS = f"{JARS}/jaxws-rt.jar{os.pathsep}{JARS}/jaxws-api.jar"
AXIS = os.pathsep.join(f"{JARS}/{name}.jar" for name in (
    "axis", "axis-jaxrpc", "axis-saaj", "wsdl4j", "commons-logging", "commons-discovery", "javax.activation"))

SUBSCRIBE = """<Subscribe><InterestDetails><InterestNames><InterestName>News</InterestName></InterestNames>
<InterestAction>AddOrUpdateSubscribers</InterestAction></InterestDetails><SubscriberData><Subscribers>
<Subscriber><Email>ann@example.org</Email><ID>9101</ID>
<Fields><Field element="First_Name">Zoë &amp; Ann</Field></Fields></Subscriber>
<Subscriber><Email>bo@example.org</Email></Subscriber></Subscribers></SubscriberData></Subscribe>"""
GRID = """<Grid type="subscriber"><Conditions><Condition><Single><DataElement>Email</DataElement>
<DataValue>ann@example.org</DataValue><Comparator>EQ</Comparator></Single></Condition></Conditions><ReturnFields>
<DataElement>Email</DataElement><DataElement>user_id</DataElement></ReturnFields></Grid>"""

PYSIMPLESOAP_TYPED = f"""
import sys
from pysimplesoap.client import SoapClient, SoapFault
from pysimplesoap.simplexml import SimpleXMLElement
client = SoapClient(location=sys.argv[1], action='urn:gateway:v1/', namespace='urn:gateway:v1', ns='gw', soap_ns='soap')
header = SimpleXMLElement('<Credentials xmlns="urn:gateway:v1"/>')
for name, value in (('brandId', '9999'), ('userName', 'apiuser'), ('password', {PASSWORD!r})):
    header.add_child(name, value)
client['Credentials'] = header
client.GetServerTime()
try:
    client.GetMailing(mailingId='999999999')
    sys.exit('no fault')
except SoapFault:
    pass
"""
PYSIMPLESOAP_DOCUMENT = f"""
import sys
from pysimplesoap.client import SoapClient, SoapFault
client = SoapClient(location=sys.argv[1], action='{NS}IInformzWebServiceContract/', namespace='{NS}', soap_ns='soap',
                    ns=False)
for x in sys.argv[2:]:
    try:
        print(client.PostInformzMessage(x=x))
    except SoapFault as fault:
        print(fault)
"""


def documents() -> list[str]:
    """A subscription, a question for a grid and an action that does not exist, as integrations write them."""
    who = f'<Password>{PASSWORD}</Password><Brand id="9999">Association</Brand><User>apiuser</User>'
    return [f'<{root} xmlns="{NS}">{who}<{part}>{content}</{part}></{root}>' for root, part, content in (
        ("ActionRequest", "Actions", SUBSCRIBE), ("GridRequest", "Grids", GRID),
        ("ActionRequest", "Actions", "<Surprise/>"))]


def python(service: Any, library: ModuleType) -> None:
    """zeep or suds, with what they make of the operation. suds leaves ``&amp;`` in a text as it is: escape it twice."""
    faults = (library.exceptions.Fault if hasattr(library, "exceptions") else library.WebFault,)
    for x in documents():
        try:
            print(service.PostInformzMessage(x=x.replace("&", "&amp;") if library is suds else x))
        except faults as refused:
            print(refused)


def node(url: str, _: Path) -> None:
    """The package soap of the Node sample."""
    print(run(["node", DRIVERS / "post.mjs", ROOT / "clients/node/package.json", WSDL, url, *documents()]).stdout)


def perl(url: str, _: Path) -> None:
    """SOAP::Lite."""
    print(run(["perl", DRIVERS / "post.pl", url, *documents()]).stdout)


def jaxws(url: str, scratch: Path) -> None:
    """A client that wsimport generates."""
    (scratch / "aapi.wsdl").write_bytes(WSDL.read_bytes())
    run(["wsimport", "-quiet", "-Xnocompile", "-s", scratch, "-p", "org.example.aapi", "-wsdllocation", "/aapi.wsdl",
         WSDL])
    _java(url, scratch, "JaxwsPost", JAXWS)


def axis(url: str, scratch: Path) -> None:
    """A client that Axis 1.4 generates."""
    run(["java", "-cp", AXIS, "org.apache.axis.wsdl.WSDL2Java", "-o", scratch, "-p", "org.example.aapi", WSDL])
    _java(url, scratch, "AxisPost", AXIS)


def _java(url: str, scratch: Path, driver: str, jars: str) -> None:
    run(["javac", "-nowarn", "-Xlint:none", "-cp", jars, "-d", scratch,
         *sorted((scratch / "org/example/aapi").glob("*.java")), DRIVERS / f"{driver}.java"])
    print(run(["java", "-cp", f"{scratch}{os.pathsep}{jars}", SAAJ, driver, url, *documents()]).stdout)
