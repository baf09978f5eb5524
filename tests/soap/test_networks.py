"""From where may a brand be called over SOAP? (operator.md: --allow-ip, GATEWAY_TRUSTED_PROXIES)"""

import dataclasses
import ipaddress

import pytest

from gateway.domain.accounts import SENDER, system_actor
from gateway.services import accounts
from tests.soap.door import PASSWORD, Door
from tests.support.soap_fault import E11

ENVELOPE = (f'<s:Envelope xmlns:s="{E11}"><s:Header><Credentials xmlns="urn:gateway:v1"><brandId>7</brandId>'
            f"<userName>apiuser</userName><password>{PASSWORD}</password></Credentials></s:Header><s:Body>"
            '<FindInterests xmlns="urn:gateway:v1"/></s:Body></s:Envelope>').encode()


@pytest.mark.parametrize(("trusted", "forwarded", "is_let_in"), [
    ("127.0.0.1", "192.0.2.7", True), ("127.0.0.1", "192.0.2.7, 198.51.100.1", False), ("127.0.0.1", "", False),
    ("", "192.0.2.7", False)])
def test_forwarded_address_of_a_trusted_proxy(sqlite_url, clock, tmp_path, trusted, forwarded, is_let_in):
    """Only what trusted proxies wrote counts, from the right; who comes from elsewhere is told what anybody is."""
    door = Door(sqlite_url, clock=clock, data_dir=tmp_path)
    accounts.add_brand(door.gateway, 7, "Bound", ["192.0.2.0/24"])
    with door.gateway.unit(system_actor(7, "cli")) as unit:
        accounts.add_user(unit, "apiuser", PASSWORD, SENDER)
    door.gateway.settings = dataclasses.replace(
        door.gateway.settings, trusted_proxies=tuple(ipaddress.ip_network(each) for each in trusted.split(",") if each))
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    answer = door.browser.post("/", data=ENVELOPE, content_type="text/xml", headers=headers,
                               environ_base={"REMOTE_ADDR": "127.0.0.1"})
    assert (answer.status_code == 200) is is_let_in
    assert is_let_in or b"NOT_AUTHENTICATED" in answer.get_data()
    door.gateway.close()
