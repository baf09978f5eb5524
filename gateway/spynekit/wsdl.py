"""Which document describes the contract, byte for byte the same on every run?

Spyne's own WSDL orders its types by memory address and holds what generators trip over (spyne.md section 2,
interop.md section 3). Here Spyne only says what each type looks like in XML Schema; the document around it is
written in one fixed order.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from xml.sax.saxutils import escape

from lxml import etree
from spyne import Application, MethodDescriptor
from spyne.interface.xml_schema import XmlSchema
from spyne.model import ModelBase
from spyne.model.enum import EnumBase

from gateway.spynekit.models import TYPE_WORDS
from gateway.spynekit.reader import parser_options

WSDL = "http://schemas.xmlsoap.org/wsdl/"
XS = "http://www.w3.org/2001/XMLSchema"
HTTP_TRANSPORT = "http://schemas.xmlsoap.org/soap/http"
SCHEMA_RANK = {f"{{{XS}}}simpleType": 0, f"{{{XS}}}complexType": 1, f"{{{XS}}}element": 2}
ADDRESS = re.compile(rb"""(<(?:[\w.-]+:)?address\b[^>]*?\blocation\s*=\s*")[^"]*(")""")


@dataclass(frozen=True, slots=True)
class Binding:
    """One way to call the port type."""

    suffix: str
    prefix: str
    namespace: str


BINDING_11 = Binding("Soap", "soap", "http://schemas.xmlsoap.org/wsdl/soap/")
BINDING_12 = Binding("Soap12", "soap12", "http://schemas.xmlsoap.org/wsdl/soap12/")


@dataclass(frozen=True, slots=True)
class Names:
    """What a contract that others know already calls its parts.

    ``binding`` names the SOAP 1.1 binding and its port; ``action`` is what an operation's soapAction begins with.
    """

    port_type: str
    binding: str
    action: str


def names_after(application: Application) -> Names:
    """The names of a contract that is only ours: all after the application."""
    return Names(application.name, application.name + BINDING_11.suffix, f"{application.tns.rstrip('/')}/")


def wsdl_document(application: Application, address: str, *, soap12: bool = True, doc: str = "",
                  names: Names | None = None) -> bytes:
    """The WSDL 1.1 document of ``application`` at ``address`` as UTF-8 (SOAP-4).

    Document/literal wrapped, one inline schema, one service with a SOAP 1.1 port and, with ``soap12``, a SOAP 1.2
    port over the same port type. Named after the application: port type ``<name>``, bindings and ports ``<name>Soap``
    and ``<name>Soap12``; or as ``names`` says, then without SOAP 1.2 and so that Axis 1 unwraps too. ``doc`` describes
    the service. The same classes give the same bytes on every run, machine and Python version. Raises ``ValueError``
    for a type outside the target namespace.
    """
    bindings = (BINDING_11, BINDING_12) if soap12 and names is None else (BINDING_11,)
    bare_wrappers = names is not None
    names = names or names_after(application)
    tns, name = application.tns, application.name
    methods = sorted(methods_of(application), key=lambda method: method.operation_name)
    root = etree.Element(tag("definitions"), {"name": name, "targetNamespace": tns}, nsmap={
        "wsdl": WSDL, "xs": XS, "tns": tns, **{binding.prefix: binding.namespace for binding in bindings}})
    document(root, doc)
    add(root, "types").append(schema_of(application, methods, bare_wrappers))
    add_messages(root, methods)
    add_port_type(root, names.port_type, methods)
    called = {binding: names.binding if binding is BINDING_11 else name + binding.suffix for binding in bindings}
    for binding in bindings:
        add_binding(root, called[binding], names, methods, binding)
    service = add(root, "service", name=name)
    document(service, doc)
    for binding in bindings:
        port = add(service, "port", name=called[binding], binding=f"tns:{called[binding]}")
        etree.SubElement(port, f"{{{binding.namespace}}}address", location=address)
    etree.cleanup_namespaces(root, keep_ns_prefixes=["tns", "xs"])
    etree.indent(root)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8") + b"\n"


def with_address(published: bytes, address: str) -> bytes:
    """``published``, a frozen WSDL, with nothing changed but the location of every port (SOAP-2).

    Raises ``ValueError`` if it has no port.
    """
    location = escape(address, {'"': "&quot;"}).encode()
    changed, count = ADDRESS.subn(lambda match: match[1] + location + match[2], published)
    if not count:
        raise ValueError("the WSDL has no port with an address")
    return changed


def schema_document(published: bytes) -> bytes:
    """The one schema of ``published``, a WSDL, as a document of its own."""
    schema = etree.fromstring(published, etree.XMLParser(**parser_options())).find(f".//{{{XS}}}schema")
    if schema is None:
        raise ValueError("the WSDL has no schema")
    alone = etree.fromstring(etree.tostring(schema, with_tail=False))
    etree.cleanup_namespaces(alone, keep_ns_prefixes=["tns", "xs"])
    etree.indent(alone)
    return etree.tostring(alone, xml_declaration=True, encoding="UTF-8") + b"\n"


def methods_of(application: Application) -> Iterator[MethodDescriptor]:
    """The operations of all services."""
    for service in application.interface.services:
        yield from service.public_methods.values()


def tag(name: str) -> str:
    """A WSDL element's name."""
    return f"{{{WSDL}}}{name}"


def add(parent: etree._Element, kind: str, /, **attributes: str) -> etree._Element:
    """A new WSDL child."""
    return etree.SubElement(parent, tag(kind), attributes)


def document(element: etree._Element, text: str | None) -> None:
    """Adds ``wsdl:documentation`` if there is something to say."""
    if text:
        add(element, "documentation").text = plain(text)


def plain(text: str) -> str:
    """A docstring as running text: paragraphs kept, line breaks and indentation not."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n".join(" ".join(paragraph.split()) for paragraph in paragraphs if paragraph.strip())


def headers_of(methods: list[MethodDescriptor]) -> dict[str, type[ModelBase]]:
    """The header classes that operations declare, by name."""
    return {header.get_type_name(): header for method in methods for header in method.in_header or ()}


def faults_of(methods: list[MethodDescriptor]) -> dict[str, type[ModelBase]]:
    """The faults that operations declare, by name."""
    return {fault.get_type_name(): fault for method in methods for fault in method.faults or ()}


# the schema


class DocumentedSchema(XmlSchema):
    """Spyne's schema with the documentation of each type taken from the type.

    Spyne leaves it out of simple types, and gives a complex type the words of whichever member of that type it met.
    """

    def add_simple_type(self, cls: type[ModelBase], node: etree._Element) -> None:
        """Keeps ``node`` with the words of its class."""
        annotate(node, getattr(cls, TYPE_WORDS, None) or (
            cls.__doc__ if issubclass(cls, EnumBase) else cls.get_documentation()))
        super().add_simple_type(cls, node)

    def add_complex_type(self, cls: type[ModelBase], node: etree._Element) -> None:
        """Keeps ``node`` with the docstring of its class."""
        annotation = node.find(f"{{{XS}}}annotation")
        if annotation is not None:
            node.remove(annotation)
        original = cls.__orig__ or cls
        if cls.Annotations.__use_parent_doc__:
            annotate(node, original.__doc__)
        super().add_complex_type(cls, node)


def annotate(node: etree._Element, text: str | None) -> None:
    """Puts ``xs:documentation`` first in ``node`` unless it has some, or rewrites what it has as running text."""
    present = node.find(f"{{{XS}}}annotation/{{{XS}}}documentation")
    if present is not None:
        present.text = plain(present.text or "")
    elif text and text.strip():
        annotation = etree.Element(f"{{{XS}}}annotation")
        etree.SubElement(annotation, f"{{{XS}}}documentation").text = plain(text)
        node.insert(0, annotation)


def schema_of(application: Application, methods: list[MethodDescriptor], bare_wrappers: bool) -> etree._Element:
    """The one schema: types by name, then the global elements that a message uses, by name.

    ``bare_wrappers`` leaves the documentation of messages to their elements: where the type has some, Axis 1 generates
    ``Response Operation(Request)`` instead of ``string Operation(string)``.
    """
    builder = DocumentedSchema(application.interface)
    builder.build_schema_nodes()
    if list(builder.schema_dict) != ["tns"]:
        foreign = sorted(application.interface.nsmap[prefix] for prefix in builder.schema_dict if prefix != "tns")
        raise ValueError(f"every type must be in {application.tns}; found {', '.join(foreign)}")
    words = element_words(methods)
    schema = etree.Element(f"{{{XS}}}schema", {"targetNamespace": application.tns, "elementFormDefault": "qualified"},
                           nsmap={"xs": XS, "tns": application.tns})
    nodes = [node for node in builder.schema_dict["tns"]
             if node.tag != f"{{{XS}}}element" or node.get("name") in words]
    for node in sorted(nodes, key=lambda node: (SCHEMA_RANK[node.tag], node.get("name"))):
        if not bare_wrappers or node.tag == f"{{{XS}}}element":
            annotate(node, words.get(node.get("name")))
        for inner in node.iter(f"{{{XS}}}element"):
            annotate(inner, None)
        schema.append(node)
    return schema


def element_words(methods: list[MethodDescriptor]) -> dict[str, str]:
    """The global elements that messages need, each with its documentation (SOAP-6)."""
    words = {name: plain(cls.get_documentation() or name) for name, cls in
             {**headers_of(methods), **faults_of(methods)}.items()}
    for method in methods:
        words[method.in_message.get_element_name()] = f"Request of {method.operation_name}. {plain(method.doc or '')}"
        words[method.out_message.get_element_name()] = f"Answer of {method.operation_name}."
    return words


# messages, port type, bindings


def add_messages(root: etree._Element, methods: list[MethodDescriptor]) -> None:
    """One message for each request, answer, header and fault; wrapped parts are called ``parameters`` (for .NET)."""
    parts = {}
    for method in methods:
        for message in (method.in_message, method.out_message):
            parts[message.get_element_name()] = "parameters"
    parts |= {name: name for name in {**headers_of(methods), **faults_of(methods)}}
    for name in sorted(parts):
        add(add(root, "message", name=name), "part", name=parts[name], element=f"tns:{name}")


def add_port_type(root: etree._Element, name: str, methods: list[MethodDescriptor]) -> None:
    """The abstract operations."""
    port_type = add(root, "portType", name=name)
    for method in methods:
        operation = add(port_type, "operation", name=method.operation_name)
        document(operation, method.doc)
        add(operation, "input", message=f"tns:{method.in_message.get_element_name()}")
        add(operation, "output", message=f"tns:{method.out_message.get_element_name()}")
        for fault in sorted(each.get_type_name() for each in method.faults or ()):
            add(operation, "fault", name=fault, message=f"tns:{fault}")


def add_binding(root: etree._Element, name: str, names: Names, methods: list[MethodDescriptor], kind: Binding) -> None:
    """The operations as one SOAP version sends them."""
    def soap(parent: etree._Element, what: str, **attributes: str) -> None:
        etree.SubElement(parent, f"{{{kind.namespace}}}{what}", attributes)

    binding = add(root, "binding", name=name, type=f"tns:{names.port_type}")
    soap(binding, "binding", style="document", transport=HTTP_TRANSPORT)
    for method in methods:
        operation = add(binding, "operation", name=method.operation_name)
        soap(operation, "operation", soapAction=names.action + method.operation_name, style="document")
        request = add(operation, "input")
        soap(request, "body", use="literal")
        for header in sorted(each.get_type_name() for each in method.in_header or ()):
            soap(request, "header", message=f"tns:{header}", part=header, use="literal")
        soap(add(operation, "output"), "body", use="literal")
        for fault in sorted(each.get_type_name() for each in method.faults or ()):
            soap(add(operation, "fault", name=fault), "fault", name=fault, use="literal")
