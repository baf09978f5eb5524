"""How do the SOAP libraries of Python call the typed API? One function a library; both do the samples' main job.

``connect`` answers ``call(operation, **members)``, which answers the call's answer; a refused call raises what the
library raises, and ``refused`` of the library reads code and message from that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import suds
import suds.client
import zeep

from tests.support.installation import PASSWORD, ROOT
from tests.support.waiting import wait_for

WSDL = ROOT / "wsdl" / "gateway-v1.wsdl"
WHO = {"brandId": "9999", "userName": "apiuser"}
Call = Callable[..., Any]


class ZeepLibrary:
    """zeep; ``soap`` is the version."""

    def __init__(self, soap: str = "1.1") -> None:
        self.binding = "{urn:gateway:v1}GatewaySoap12" if soap == "1.2" else "{urn:gateway:v1}GatewaySoap"
        self.word = f"zeep{soap.replace('.', '')}"
        self.failure = zeep.exceptions.Fault

    def connect(self, url: str, password: str = PASSWORD) -> Call:
        service = zeep.Client(str(WSDL)).create_service(self.binding, url)
        header = {"Credentials": WHO | {"password": password}}
        return lambda operation, **members: service[operation](**members, _soapheaders=header)

    def refused(self, error: Any) -> tuple[str, str]:
        fault = error.detail.find("{*}GatewayFault")
        return fault.findtext("{*}code"), fault.findtext("{*}message")


class SudsLibrary:
    """suds-community, which speaks SOAP 1.1 alone."""

    word, failure = "suds", suds.WebFault

    def connect(self, url: str, password: str = PASSWORD) -> Call:
        client = suds.client.Client(WSDL.as_uri(), location=url, cache=None)
        header = client.factory.create("Credentials")
        for name, value in (WHO | {"password": password}).items():
            setattr(header, name, value)
        client.set_options(soapheaders=header, port="GatewaySoap")
        return lambda operation, **members: getattr(client.service, operation)(**members)

    def refused(self, error: Any) -> tuple[str, str]:
        fault = error.fault.detail.GatewayFault
        return fault.code, fault.message


Library = ZeepLibrary | SudsLibrary


def do_main_job(library: Library, url: str) -> dict[str, Any]:
    """Import, a call that is refused, create, send, wait and report: what was told at each step."""
    call, word = library.connect(url), library.word
    told: dict[str, Any] = {}
    told["imported"] = call("ImportSubscribers", mode="AddOrUpdate", interest=[f"{word} sample"], record=[
        {"remoteId": f"{word}-1", "email": f"ann.{word}@example.org",
         "field": [{"name": "FirstName", "value": "Zoë & Ann"}]},
        {"remoteId": f"{word}-2", "email": f"bo.{word}@example.org"},
        {"remoteId": f"{word}-3", "email": "not an address"}])
    try:
        call("GetMailing", mailingId="999999999")
    except library.failure as error:
        told["refused"] = library.refused(error)
    mailing = call("CreateMailing", name=f"{word} sample", subject=f"Hello from {word}", fromAddress="news@example.org",
                   html='<p>Dear {{ FirstName | default("member") }}, hello.</p>', interest=[f"{word} sample"])
    instance = call("SendMailing", mailingId=mailing.mailingId)
    told["report"] = wait_for(lambda: _settled(call("GetMailingReport", instanceId=instance.instanceId)), "the report")
    return told


def _settled(report: Any) -> Any:
    return report if report.targeted and not report.pending else None
