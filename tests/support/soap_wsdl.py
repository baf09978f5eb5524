"""What does the WSDL of the tests' SOAP service look like, in each of its dialects?"""

from __future__ import annotations

from dataclasses import dataclass

TNS = "urn:example:ams"
SOAP11, SOAP12 = "http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope"
ITEMS = {"GetMembers": "Member", "GetChanges": "Member", "GetMembersById": "Member", "GetProfiles": "Profile",
         "GetGroups": "Group", "GetGroupMembers": "Member"}
PAGE = (("page", "int"), ("offset", "int"), ("size", "int"), ("cursor", "string"))
ASKED = {"GetMembers": (("since", "dateTime"), *PAGE), "GetMembersById": (("ids", "tns:ArrayOfString"),),
         "GetProfiles": (("ids", "tns:ArrayOfString"),), "GetGroups": (),
         "GetGroupMembers": (("group", "string"), *PAGE),
         "SetMail": (("id", "string"), ("noMail", "boolean"), ("since", "dateTime"), ("why", "string")),
         "GetChanges": (("since", "dateTime"),),
         "AddBounce": (("id", "string"), ("code", "string"), ("email", "string"))}
TYPES = """
<xs:complexType name="ArrayOfString"><xs:sequence>
  <xs:element name="string" type="xs:string" minOccurs="0" maxOccurs="unbounded" nillable="true"/>
</xs:sequence></xs:complexType>
<xs:complexType name="Contact"><xs:sequence>
  <xs:element name="Email" type="xs:string" nillable="true"/></xs:sequence></xs:complexType>
<xs:complexType name="Flags"><xs:sequence>
  <xs:element name="NoMail" type="xs:boolean" minOccurs="0"/></xs:sequence></xs:complexType>
<xs:complexType name="Home"><xs:sequence>
  <xs:element name="City" type="xs:string" nillable="true"/></xs:sequence></xs:complexType>
<xs:complexType name="Member"><xs:sequence><xs:element name="Id" type="xs:string" nillable="true"/>
  <xs:element name="Contact" type="tns:Contact"/><xs:element name="Gone" type="xs:boolean"/>
  <xs:element name="Flags" type="tns:Flags"/><xs:element name="Groups" type="tns:ArrayOfString" nillable="true"/>
  <xs:element name="Joined" type="xs:date"/><xs:element name="Balance" type="xs:decimal"/>
</xs:sequence></xs:complexType>
<xs:complexType name="Profile"><xs:sequence><xs:element name="Id" type="xs:string"/>
  <xs:element name="First" type="xs:string" nillable="true"/><xs:element name="Home" type="tns:Home"/>
</xs:sequence></xs:complexType>
<xs:complexType name="Group"><xs:sequence><xs:element name="Key" type="xs:string"/>
  <xs:element name="Title" type="xs:string"/><xs:element name="Size" type="xs:int"/></xs:sequence></xs:complexType>
<xs:complexType name="Done"><xs:sequence><xs:element name="Done" type="xs:boolean"/></xs:sequence></xs:complexType>
<xs:element name="Credentials"><xs:complexType><xs:sequence><xs:element name="User" type="xs:string"/>
  <xs:element name="Password" type="xs:string"/></xs:sequence></xs:complexType></xs:element>
"""


@dataclass(frozen=True, slots=True)
class Variant:
    """A dialect. ``path``: the elements around a list; ``flags``: it answers with a flag and not with a fault."""

    name: str
    paging: str
    auth: str
    path: tuple[str, ...] = ()
    is_12: bool = False
    is_rpc: bool = False
    is_any: bool = False
    flags: bool = False

    def around(self, operation: str) -> list[str]:
        """The elements around the list of an operation."""
        return [step.replace("OP", operation) for step in self.path]

    def place(self, operation: str) -> str:
        """Where the list of an operation stands."""
        return ".".join([*self.around(operation), ITEMS[operation]])


VARIANTS = {each.name: each for each in (
    Variant("wrapped", "page", "basic"),
    Variant("soap12", "cursor", "digest", ("Page",), is_12=True),
    Variant("net", "offset", "header", ("OPResult",), flags=True),
    Variant("rpc", "none", "text", ("return",), is_rpc=True),
    Variant("any", "page", "none", ("OPResult", "diffgram", "Data"), is_any=True),
)}
"""SOAP 1.1 and 1.2, document and rpc, lists as .NET writes them, and answers of which the WSDL says nothing."""


def wsdl(variant: Variant, endpoint: str, types: str = TYPES) -> bytes:
    """The whole WSDL of a dialect."""
    soap = "soap12" if variant.is_12 else "soap"
    style = "rpc" if variant.is_rpc else "document"
    body = f'<{soap}:body use="literal" namespace="{TNS}"/>' if variant.is_rpc else f'<{soap}:body use="literal"/>'
    header = f'<{soap}:header message="tns:Credentials" part="c" use="literal"/>' if variant.auth == "header" else ""
    messages, operations, bound = [], [], []
    for name, asked in ASKED.items():
        asked = tuple(each for each in asked if each not in PAGE or not variant.is_rpc)  # parts cannot be left out
        if variant.is_rpc and name == "GetMembers":
            asked = ()
        messages += [_message(variant, name, asked), _message(variant, f"{name}Response", None)]
        operations.append(f'<w:operation name="{name}"><w:input message="tns:{name}"/>'
                          f'<w:output message="tns:{name}Response"/></w:operation>')
        bound.append(f'<w:operation name="{name}"><{soap}:operation soapAction="{TNS}/{name}"/>'
                     f"<w:input>{body}{header}</w:input><w:output>{body}</w:output></w:operation>")
    elements = "" if variant.is_rpc else "".join(_elements(variant, name, asked) for name, asked in ASKED.items())
    lists = "".join(_list_type(variant, name) for name in ITEMS) if variant.path else ""
    return f"""<?xml version="1.0" encoding="utf-8"?>
<w:definitions xmlns:w="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/"
  xmlns:soap12="http://schemas.xmlsoap.org/wsdl/soap12/" xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:tns="{TNS}"
  targetNamespace="{TNS}"><w:types><xs:schema targetNamespace="{TNS}" elementFormDefault="{
    'unqualified' if variant.is_rpc else 'qualified'}">{types}{lists}{elements}</xs:schema></w:types>
{"".join(messages)}<w:message name="Credentials"><w:part name="c" element="tns:Credentials"/></w:message>
<w:portType name="Ams">{"".join(operations)}</w:portType><w:binding name="Ams" type="tns:Ams"><{soap}:binding
 style="{style}" transport="http://schemas.xmlsoap.org/soap/http"/>{"".join(bound)}</w:binding>
<w:service name="AmsService"><w:port name="AmsPort" binding="tns:Ams"><{soap}:address location="{endpoint}"/></w:port>
</w:service></w:definitions>""".encode()


def _type(name: str) -> str:
    return name if ":" in name else f"xs:{name}"


def _message(variant: Variant, name: str, asked: tuple[tuple[str, str], ...] | None) -> str:
    parts = f'<w:part name="parameters" element="tns:{name}"/>'
    if variant.is_rpc and asked is not None:
        parts = "".join(f'<w:part name="{each}" type="{_type(kind)}"/>' for each, kind in asked)
    elif variant.is_rpc:
        of = name.removesuffix("Response")
        parts = f'<w:part name="return" type="tns:ListOf{of}"/>' if of in ITEMS else ""
    return f'<w:message name="{name}">{parts}</w:message>'


def _elements(variant: Variant, name: str, asked: tuple[tuple[str, str], ...]) -> str:
    given = "".join(f'<xs:element name="{each}" type="{_type(kind)}" minOccurs="0"/>' for each, kind in asked)
    told = ""
    if name in ITEMS:
        told = (f'<xs:element name="{variant.around(name)[0]}" type="tns:ListOf{name}" minOccurs="0"/>' if variant.path
                else _many(name))
        told += ('<xs:element name="Total" type="xs:int" minOccurs="0"/>'
                 '<xs:element name="Next" type="xs:string" minOccurs="0"/>')
    elif variant.flags and name == "SetMail":
        told = '<xs:element name="SetMailResult" type="tns:Done"/>'
    return "".join(f'<xs:element name="{each}"><xs:complexType><xs:sequence>{inner}</xs:sequence></xs:complexType>'
                   "</xs:element>" for each, inner in ((name, given), (f"{name}Response", told)))


def _many(name: str) -> str:
    return (f'<xs:element name="{ITEMS[name]}" type="tns:{ITEMS[name]}" minOccurs="0" maxOccurs="unbounded" '
            'nillable="true"/>')


def _list_type(variant: Variant, name: str) -> str:
    inner = '<xs:any processContents="lax" minOccurs="0" maxOccurs="unbounded"/>' if variant.is_any else _many(name)
    return f'<xs:complexType name="ListOf{name}"><xs:sequence>{inner}</xs:sequence></xs:complexType>'
