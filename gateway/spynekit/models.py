"""How are the types of a SOAP contract written down in few words?

A contract lives in one namespace and keeps to a profile that generators of 2005 manage: sequences of named elements,
nothing else (SOAP-5). :func:`vocabulary` makes the base class of its records; :func:`mandatory`, :func:`optional` and
:func:`list_of` declare members, each with its documentation (SOAP-6, SOAP-21 to SOAP-25).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lxml import etree
from spyne import Fault, MethodContext, rpc
from spyne.model import ComplexModel, ModelBase
from spyne.model.enum import Enum, EnumBase
from spyne.model.primitive import Boolean, Unicode

Kind = type[ModelBase]
Operation = Callable[[MethodContext, Any], Any]


TYPE_WORDS = "type_words"
"""The attribute of a named simple type that keeps its own documentation apart from its members'."""


def member(kind: Kind, doc: str, facets: dict[str, Any]) -> Kind:
    """``kind`` as a member; a named simple type without further facets stays the same type of the schema."""
    if not hasattr(kind, TYPE_WORDS) or facets.keys() - {"min_occurs", "max_occurs", "nillable", "exc"}:
        return kind.customize(doc=doc, **facets)
    same = kind.customize(doc=doc, type_name=kind.get_type_name(), **facets)
    same.__namespace__ = kind.get_namespace()
    return same


def mandatory(kind: Kind, doc: str, **facets: object) -> Kind:
    """A member that is always there and never nil (SOAP-21)."""
    return member(kind, doc, {"min_occurs": 1, "nillable": False, **facets})


def optional(kind: Kind, doc: str, **facets: object) -> Kind:
    """A member that may be left out and is never nil; None in Python means left out (SOAP-22)."""
    return member(kind, doc, {"min_occurs": 0, "nillable": False, **facets})


def clearable(kind: Kind, doc: str, *, min_occurs: int = 1, **facets: object) -> Kind:
    """A member where nil means "clear it"; None in Python means nil (SOAP-23)."""
    return member(kind, doc, {"min_occurs": min_occurs, "nillable": True, **facets})


def list_of(kind: Kind, doc: str, *, at_least: int = 0, **facets: object) -> Kind:
    """A repeated member whose items are never nil, without a wrapper element (SOAP-25).

    In Python a list; None if the request had none. The upper bound is the door's to check (SOAP-75), so that too
    many records are named as such.
    """
    return member(kind, doc, {"min_occurs": at_least, "max_occurs": "unbounded", "nillable": False, **facets})


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The base of one contract: its namespace and the classes every contract has."""

    namespace: str
    Record: type[ComplexModel]
    """Base class of all records; a subclass's docstring is its documentation in the WSDL."""

    Extra: type[ComplexModel]
    """The extension slot's item (SOAP-31); end every answer type with ``extra = v.extra()``."""

    GatewayFault: type[Fault]
    """The declared fault (SOAP-85). It is never raised: raise :class:`gateway.errors.GatewayError`."""

    def extra(self) -> Kind:
        """The extension slot, the last member of every answer type (SOAP-31)."""
        return list_of(self.Extra, "Facts added later in this version; ignore names you do not know.")

    def enum(self, name: str, words: tuple[str, ...], doc: str) -> type[EnumBase]:
        """A closed set of words for requests (SOAP-26); the values in Python are plain ``str``."""
        kind = Enum(*words, type_name=name, doc=doc)
        kind.__namespace__ = self.namespace
        return kind

    def simple(self, kind: Kind, name: str, doc: str, **facets: object) -> Kind:
        """A named simple type with facets, to be used in several members."""
        named = kind.customize(type_name=name, doc=doc, **facets)
        named.__namespace__ = self.namespace
        setattr(named, TYPE_WORDS, doc)
        return named

    def operation(self, request: type[ComplexModel] | None, answer: type[ComplexModel] | None, *,
                  decode: Callable[[etree._Element], object] | None = None, **options: object
                  ) -> Callable[[Operation], object]:
        """Declares an operation: document/literal wrapped, with the declared fault.

        The function is ``f(ctx, request)`` and returns an ``answer``. The members of ``request`` and ``answer``
        become the children of the two wrapper elements, named after the function and ``<function>Response``.
        ``decode`` takes the body element (already valid against the schema) and returns what the function gets as
        its request instead of a ``request`` object. The function's docstring is the documentation. ``options`` go
        to Spyne's ``rpc``, for example ``_in_header``.
        """
        inputs = {} if request is None else dict(request.get_flat_type_info(request))
        outputs = {} if answer is None else dict(answer.get_flat_type_info(answer))

        def declare(function: Operation) -> object:
            def call(ctx: MethodContext, *values: object) -> object:
                if decode is not None:
                    subject = values[0]
                else:
                    subject = None if request is None else request(**dict(zip(inputs, values, strict=True)))
                return members_in_order(function(ctx, subject), tuple(outputs))

            call.__name__ = call.__qualname__ = function.__name__
            call.__doc__ = function.__doc__
            call.__module__ = function.__module__
            if outputs:
                options.update(_returns=list(outputs.values()), _out_variable_names=list(outputs))
            return rpc(*inputs.values(), _args=list(inputs), _throws=[self.GatewayFault], _udd={"decode": decode},
                       **options)(call)
        return declare


def members_in_order(answer: object, names: tuple[str, ...]) -> object:
    """An answer object as Spyne wants it: nothing, one value, or one value a member."""
    if answer is None or not names:
        return (None,) * len(names) if len(names) > 1 else None
    values = tuple(getattr(answer, name) for name in names)
    return values if len(values) > 1 else values[0]


def vocabulary(namespace: str) -> Vocabulary:
    """The base classes of a contract in ``namespace``. Call it once a contract: classes are compared by identity."""
    class Record(ComplexModel):
        """A record."""

        __namespace__ = namespace

        class Annotations(ComplexModel.Annotations):
            __use_parent_doc__ = True

    class Extra(Record):
        """A fact by name, added after the contract was published."""

        name = mandatory(Unicode, "The documented name of the fact.")
        value = mandatory(Unicode, "The fact as text.")

    class GatewayFault(Fault):
        """Why a call was refused; nothing of it was stored."""

        __namespace__ = namespace
        __type_name__ = "GatewayFault"

        class Annotations(Fault.Annotations):
            __use_parent_doc__ = True

        code = mandatory(Unicode, "The error code, never renamed; new codes may come.", exc=True)
        message = mandatory(Unicode, "One sentence for a person: what is wrong and what to do.", exc=True)
        field = optional(Unicode, "The member at fault.", exc=True)
        requestId = mandatory(Unicode, "The id of the call in our log, as in the header X-Request-Id.", exc=True)
        retryable = mandatory(Boolean, "Whether the same call may succeed later.", exc=True)
        extra = list_of(Extra, "Facts added later in this version; ignore names you do not know.", exc=True)

    return Vocabulary(namespace, Record, Extra, GatewayFault)


def declared_fault(name: str, namespace: str, doc: str, members: dict[str, Kind]) -> type[Fault]:
    """A fault for the WSDL of a contract that is not in our own vocabulary; give its members ``exc=True``."""
    annotations = type("Annotations", (Fault.Annotations,), {"__use_parent_doc__": True})
    return type(name, (Fault,), {"__namespace__": namespace, "__type_name__": name, "__doc__": doc,
                                 "__module__": __name__, "Annotations": annotations, **members})


def text_operation(name: str, argument: str, run: Callable[[MethodContext, str], object], fault: type[Fault],
                   doc: str) -> object:
    """``string name(string argument)`` as WCF writes it: both may be left out or nil.

    ``run`` gets the text, empty if there is none, past Spyne's decoding, and hands the answer to the protocol itself.
    """
    def decode(entry: etree._Element) -> str:
        text = next((child.text or "" for child in entry), "")
        entry.clear()  # the text may be all of a long message, and need not be held twice
        return text

    def call(ctx: MethodContext, text: str) -> None:
        run(ctx, text)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = doc
    return rpc(Unicode, _args=[argument], _returns=Unicode, _throws=[fault], _udd={"decode": decode})(call)
