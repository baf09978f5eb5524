"""Is this a proper SOAP fault of ours, and what does it say?"""

from dataclasses import dataclass

from lxml import etree

E11 = "http://schemas.xmlsoap.org/soap/envelope/"
E12 = "http://www.w3.org/2003/05/soap-envelope"
MEMBERS = ["code", "message", "field", "requestId", "retryable", "extra"]


@dataclass(frozen=True)
class Told:
    """The fault's own code (``Client``, ``Sender``, ...) and the members of its detail."""

    version: str
    fault_code: str
    code: str
    message: str
    field: str | None
    request_id: str
    retryable: str


def read_fault(body, tns):
    """Checks every rule of SOAP-85 and returns what the fault says; raises AssertionError otherwise."""
    root = etree.fromstring(body)
    version = etree.QName(root).namespace
    assert root.tag == f"{{{version}}}Envelope" and version in (E11, E12)
    fault = root.find(f"{{{version}}}Body")[0]
    assert fault.tag == f"{{{version}}}Fault"
    return told_11(fault, tns) if version == E11 else told_12(fault, tns)


def told_11(fault, tns):
    assert [child.tag for child in fault] == ["faultcode", "faultstring", "detail"]
    prefix, _, code = fault[0].text.partition(":")
    assert fault[0].nsmap[prefix] == E11
    return told(E11, code, fault[1].text, fault[2], tns)


def told_12(fault, tns):
    names = [etree.QName(child).localname for child in fault]
    assert names == ["Code", "Reason", "Detail"]
    value, subcode = fault[0]
    sub_value = subcode[0]
    prefix, _, name = sub_value.text.partition(":")
    assert sub_value.nsmap[prefix] == tns, "a Subcode must be namespace-qualified"
    prefix, _, code = value.text.partition(":")
    assert value.nsmap[prefix] == E12
    found = told(E12, code, fault[1][0].text, fault[2], tns)
    assert name == found.code
    return found


def told(version, fault_code, reason, detail, tns):
    assert [child.tag for child in detail] == [f"{{{tns}}}GatewayFault"]
    names = [etree.QName(child).localname for child in detail[0]]
    assert names == [name for name in MEMBERS if name in names]
    values = {etree.QName(child).localname: child.text for child in detail[0]}
    assert values["message"] == reason
    return Told(version, fault_code, values["code"], values["message"], values.get("field"), values["requestId"],
                values["retryable"])
