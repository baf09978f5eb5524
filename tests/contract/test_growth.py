"""Does the contract only grow? (SOAP-3, SOAP-88)

``first_release/`` keeps the contract as it was when clients were first generated from it; it is never written again.
"""

from pathlib import Path

import pytest
import zeep
from lxml import etree

from tests.soap.door import PORTS, Door
from tests.support.wsgi_transport import WsgiTransport

FIRST = Path(__file__).parent / "first_release" / "gateway-v1.wsdl"
NOW = Path(__file__).parents[2] / "wsdl" / "gateway-v1.wsdl"
KINDS = {"simpleType", "complexType", "element", "message", "operation"}
CONTAINERS = {"schema", "definitions", "portType", "binding"}


def components(path):
    """Every named part of a contract by kind, container and name, as canonical XML."""
    found = {}
    for node in etree.parse(path).getroot().iter(etree.Element):
        parent = node.getparent()
        kind = etree.QName(node).localname
        if kind in KINDS and parent is not None and etree.QName(parent).localname in CONTAINERS:
            found[kind, parent.get("name"), node.get("name")] = etree.tostring(node, method="c14n", with_tail=False)
    return found


def test_what_was_published_is_still_there():
    """SOAP-3: operations and types are added; none is changed, not even its documentation."""
    first, now = components(FIRST), components(NOW)
    assert len(first) > 100
    assert [name for name, node in first.items() if now.get(name) != node] == []


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_a_client_of_the_first_release_runs(sqlite_url, tmp_path, clock, version):
    """SOAP-88: zeep in strict mode refuses whatever its own contract does not have."""
    door = Door(sqlite_url, clock=clock, data_dir=tmp_path)
    client = zeep.Client(str(FIRST), transport=WsgiTransport(None))
    client.transport.client = door.browser
    service = client.bind("Gateway", PORTS[version])
    header = {"Credentials": door.user("sender")}
    batch = service.ImportSubscribers(mode="Add", interest=["News"], record=[{"email": "ann@example.org"}],
                                      _soapheaders=header)
    clock.advance(seconds=1)
    mailing = service.CreateMailing(name="m", subject="s", fromAddress="club@example.org", html="<p>x</p>",
                                    interest=["News"], _soapheaders=header)
    instance = service.SendMailing(mailingId=mailing.mailingId, _soapheaders=header)
    report = service.GetMailingReport(instanceId=instance.instanceId, _soapheaders=header)
    assert (batch.created, report.targeted) == (1, 0)
    assert service.FindSubscribers(_soapheaders=header).item[0].email == "ann@example.org"
    door.world.close()
