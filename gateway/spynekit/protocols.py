"""How does Spyne read and write SOAP messages here?

Spyne's protocols with their holes closed. What comes in has been checked by the schema, so decoding is lean; what
goes out is complete before it is sent. Everything refused is a :class:`GatewayError`.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
from collections.abc import Callable
from typing import Any

from lxml import etree
from spyne import BODY_STYLE_BARE, BODY_STYLE_EMPTY, BODY_STYLE_WRAPPED, Application, Fault, MethodContext
from spyne.model import ByteArray, ComplexModelBase, XmlAttribute, XmlData
from spyne.model.enum import EnumBase
from spyne.model.primitive import Boolean, Date, DateTime
from spyne.protocol.soap import Soap11, Soap12
from spyne.server.http import HttpBase

from gateway import clock
from gateway.errors import GatewayError
from gateway.spynekit import envelope, faults
from gateway.spynekit.envelope import TRUE_WORDS
from gateway.spynekit.limits import Limits
from gateway.spynekit.reader import read_tree
from gateway.spynekit.schema import Validator, path_to
from gateway.spynekit.wsse import SECURITY, has_token

Members = dict[str, tuple[str, type, bool]]


class HardSoap:
    """What the two protocols share; mixed in before Spyne's class.

    ``understood`` names header blocks (Clark notation) that the door reads by itself; the headers that operations
    declare and ``wsse:Security`` are known anyway (SOAP-9). One that only writes answers needs no schema (``reads``),
    which takes most of the time that an application takes to make.
    """

    version: faults.SoapVersion

    def __init__(self, limits: Limits | None = None, understood: frozenset[str] = frozenset(), *,
                 reads: bool = True) -> None:
        self.limits = limits or Limits()
        self.understood = understood | {SECURITY}
        self.declared_headers: dict[str, type] = {}
        self.class_attributes: dict[type, Any] = {}
        self.class_members: dict[type, Members | None] = {}
        self.checker: Validator | None = None
        super().__init__(validator="lxml" if reads else None, parse_xsi_type=False)
        self._from_unicode_handlers[Boolean] = lambda cls, text: text.strip() in TRUE_WORDS
        self._from_unicode_handlers[ByteArray] = read_base64
        self._from_unicode_handlers[Date] = read_date
        self._from_unicode_handlers[DateTime] = read_instant
        self._to_unicode_handlers[DateTime] = lambda cls, moment: clock.instant(moment)

    def set_app(self, app: Application | None) -> None:
        """Takes the application's schema and the headers its operations declare."""
        super().set_app(app)
        if app is None:
            return
        if self.validation_schema is not None:
            self.checker = Validator(self.validation_schema)
        for method in app.interface.method_id_map.values():
            for header in method.in_header or ():
                self.declared_headers[f"{{{header.get_namespace()}}}{header.get_type_name()}"] = header

    # reading

    def create_in_document(self, ctx: MethodContext, charset: str | None = None) -> None:
        """Sets ``ctx.in_document`` to the root element of ``ctx.in_string``."""
        ctx.in_document = read_tree(b"".join(ctx.in_string), charset, self.limits)

    def decompose_incoming_envelope(self, ctx: MethodContext, message: object = Soap11.REQUEST) -> None:
        """Finds header blocks, body entry and operation, and validates them (SOAP-7 to SOAP-9, SOAP-80)."""
        parts = envelope.take_apart(ctx.in_document, self.version, self.limits)
        ctx.in_header_doc = list(parts.headers)
        envelope.refuse_unknown_headers(parts.headers, self.version, self.understood | self.declared_headers.keys())
        declared = [block for block in parts.headers if block.tag in self.declared_headers]
        if len({block.tag for block in declared}) < len(declared):
            raise GatewayError("INVALID_REQUEST", "A SOAP header block of the contract is given twice; send it once.")
        for block in declared:
            self.check_header(block)
        ctx.in_body_doc = parts.entry
        ctx.method_request_string = parts.entry.tag
        if not (parts.entry.tag.startswith(f"{{{self.app.tns}}}") and self.get_call_handles(ctx)):
            raise faults.UnknownOperation(etree.QName(parts.entry).localname)
        envelope.refuse_long_lists(parts.entry, self.limits)
        envelope.tolerate_empty(parts.entry)
        self.checker.check(parts.entry)

    def holds_credential(self, headers: list[etree._Element]) -> bool:
        """Whether a header block is one that carries credentials: a declared one, or ``wsse:Security`` with a token of
        any kind. One with a Timestamp alone carries none, so that HTTP Basic is asked for (SOAP-10).
        """
        return any(block.tag in self.declared_headers or has_token(block) for block in headers)

    def check_header(self, block: etree._Element) -> None:
        """Validates a declared header block; SOAP's own attributes on it are the sender's business."""
        for name in list(block.attrib):
            if name.startswith(f"{{{self.version.envelope}}}"):
                del block.attrib[name]
        self.checker.check(block)

    def deserialize(self, ctx: MethodContext, message: object) -> None:
        """Sets ``ctx.in_header`` and ``ctx.in_object``.

        An operation marked ``_udd={"decode": f}`` gets what ``f(body entry)`` returns as its one argument instead
        of Spyne's objects: five times cheaper for a thousand records. The entry has passed the schema by then.
        """
        try:
            self.event_manager.fire_event("before_deserialize", ctx)
            ctx.in_header = self.read_headers(ctx)
            decode: Callable[[etree._Element], object] | None = (ctx.descriptor.udd or {}).get("decode")
            if decode is not None:
                ctx.in_object = [decode(ctx.in_body_doc)]
            else:
                ctx.in_object = self.from_element(ctx, ctx.descriptor.in_message, ctx.in_body_doc)
            self.event_manager.fire_event("after_deserialize", ctx)
        except Fault as fault:
            raise faults.to_gateway_error(fault) from None

    def read_headers(self, ctx: MethodContext) -> object:
        """The operation's declared headers: None, the one object, or a list in the declared order."""
        classes = ctx.descriptor.in_header or ()
        blocks = {block.tag: block for block in ctx.in_header_doc}
        values = []
        for cls in classes:
            block = blocks.get(f"{{{cls.get_namespace()}}}{cls.get_type_name()}")
            values.append(None if block is None else self.from_element(ctx, cls, block))
        return values[0] if len(values) == 1 else values or None

    def from_element(self, ctx: MethodContext, cls: type, element: etree._Element) -> object:
        """The value of an element. ``xsi:nil="false"`` is a value (SOAP-23); ``xsi:type`` and ``href`` mean nothing."""
        nil = element.get(envelope.XSI_NIL)
        if nil is not None and nil.strip() in TRUE_WORDS:
            return self.get_cls_attrs(cls).default
        try:
            return self.deserialization_handlers[cls](ctx, cls, element)
        except GatewayError as error:
            error.field = error.field or path_to(element)
            raise
        except (ValueError, ArithmeticError):  # valid for XML Schema, out of Python's range: 24:00:00, a huge duration
            raise GatewayError("INVALID_VALUE", "The value is out of range.", field=path_to(element)) from None

    def complex_from_element(self, ctx: MethodContext, cls: type, element: etree._Element) -> object:
        """An object from child elements; classes with attributes or text of their own go Spyne's slower way."""
        try:
            members = self.class_members[cls]
        except KeyError:
            members = self.class_members[cls] = members_of(cls)
        if members is None:
            return super().complex_from_element(ctx, cls, element)
        values: dict[str, Any] = {}
        for child in element:
            member = members.get(child.tag.rpartition("}")[2])
            if member is None:
                continue
            key, kind, many = member
            if many:
                values.setdefault(key, []).append(self.from_element(ctx, kind, child))
            else:
                values[key] = self.from_element(ctx, kind, child)
        instance = cls.get_deserialization_instance(ctx)
        for key, value in values.items():
            setattr(instance, key, value)
        return instance

    def base_from_element(self, ctx: MethodContext, cls: type, element: etree._Element) -> object:
        """A simple value; XSD collapses blanks in all of them but strings (SOAP-30)."""
        return self.from_unicode(cls, (element.text or "").strip())

    def byte_array_from_element(self, ctx: MethodContext, cls: type, element: etree._Element) -> object:
        """The bytes of a base64 text; empty text is no bytes."""
        return self.from_unicode(cls, element.text or "", self.binary_encoding)

    def enum_from_element(self, ctx: MethodContext, cls: type[EnumBase], element: etree._Element) -> str:
        """The word, a plain ``str``. Spyne looks it up as an attribute of the class: ``__doc__`` passes there."""
        word = element.text or ""
        if word not in cls.__values__:
            raise GatewayError("INVALID_REQUEST", "Expected one of " + ", ".join(cls.__values__) + ".")
        return word

    def get_cls_attrs(self, cls: type) -> Any:
        """Spyne's attributes of a class from a plain dictionary; Spyne's weak one costs 29 of 100 of a big upload."""
        try:
            return self.class_attributes[cls]
        except KeyError:
            attributes = self.class_attributes[cls] = super().get_cls_attrs(cls)
            return attributes

    # writing

    def null_to_parent(self, ctx: MethodContext, cls: type, inst: object, parent: etree._Element, ns: str,
                       name: str = "", **options: object) -> None:
        """Writes nil where nil means something. A mandatory value that is missing is our fault, not an answer."""
        if not self.get_cls_attrs(cls).nillable:
            raise ValueError(f"the answer's member {name or cls.get_type_name()} is mandatory and has no value")
        super().null_to_parent(ctx, cls, inst, parent, ns, name, **options)


class HardSoap11(HardSoap, Soap11):
    """SOAP 1.1."""

    version = faults.SOAP11


class HardSoap12(HardSoap, Soap12):
    """SOAP 1.2."""

    version = faults.SOAP12


class KitApplication(Application):
    """Spyne's application, except that an operation's exception reaches the caller as it is.

    Spyne logs it with its message, values and all, and turns it into a fault of its own.
    """

    server: HttpBase
    """Spyne's idea of a server: it makes contexts and serialises, and never sees a socket here."""

    def process_request(self, ctx: MethodContext) -> None:
        """Calls the operation and sets ``ctx.out_object``. Raises whatever the operation or a listener raises."""
        ctx.fire_event("method_call")
        style = ctx.descriptor.body_style
        if style is BODY_STYLE_BARE:
            ctx.in_object = [ctx.in_object]
        elif style is BODY_STYLE_EMPTY:
            ctx.in_object = []
        ctx.out_object = self.call_wrapper(ctx)
        if style is not BODY_STYLE_WRAPPED or len(ctx.descriptor.out_message._type_info) <= 1:
            ctx.out_object = [ctx.out_object]
        ctx.protocol = ctx.outprot_ctx
        ctx.fire_event("method_return_object")


def build_application(services: list[type], *, tns: str, name: str, version: faults.SoapVersion = faults.SOAP11,
                      limits: Limits | None = None, understood: frozenset[str] = frozenset()) -> KitApplication:
    """A Spyne application over ``services`` in one namespace that speaks ``version`` and has a transport."""
    protocol = HardSoap11 if version is faults.SOAP11 else HardSoap12
    application = KitApplication(services, tns, name, in_protocol=protocol(limits, understood),
                                 out_protocol=protocol(limits, understood, reads=False))
    application.server = HttpBase(application)
    return application


def members_of(cls: type[ComplexModelBase]) -> Members | None:
    """Element name -> (attribute, type, repeated) of a class, or None if it has XML attributes or text of its own."""
    members: Members = {}
    for key, kind in cls.get_flat_type_info(cls).items():
        if issubclass(kind, XmlAttribute | XmlData):
            return None
        members[kind.Attributes.sub_name or key] = (key, kind, kind.Attributes.max_occurs > 1)
    return members


def read_base64(cls: type, text: str, encoding: object = None) -> tuple[bytes]:
    """Bytes in Spyne's form, a sequence of pieces. libxml2 and Spyne ignore stray characters; this does not."""
    try:
        return (base64.b64decode("".join(text.split()), validate=True),)
    except (binascii.Error, ValueError):
        raise GatewayError("INVALID_VALUE", "The value is not base64.") from None


def read_instant(cls: type, text: str) -> dt.datetime:
    """An xs:dateTime, digits after the sixth dropped. Without offset it stays naive: the door decides (SOAP-29)."""
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError:
        raise GatewayError("INVALID_DATE", "The instant does not exist or is out of range; "
                                           "write it as 2026-01-31T09:30:00Z.") from None


def read_date(cls: type, text: str) -> dt.date:
    """An xs:date as written; an offset says nothing about a calendar day."""
    try:
        return dt.date.fromisoformat(text[:10])
    except ValueError:
        raise GatewayError("INVALID_DATE", "The day does not exist; write it as 2026-01-31.") from None
