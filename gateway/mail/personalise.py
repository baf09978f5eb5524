"""How are a person's values put into a template, and where? (SEND-39, SEND-40)

A template is text with ``{{ FirstName }}``, ``{{ FirstName|default('member') }}`` and ``{% if %}``, see
``expressions``: no loops, calls, attributes, assignments or arithmetic. It always ends, never fails for any value, and
is never longer than its own text plus the values it names. It is read once; per person only its slots are filled.
"""

from __future__ import annotations

import copy
import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter

import jinja2
from jinja2 import nodes
from markupsafe import escape

from gateway.errors import GatewayError
from gateway.mail import quoted
from gateway.mail.expressions import URL_PART, WHOLE_URL, Language, Test, Values, refused

HTML, TEXT, SUBJECT = "html", "text", "subject"
UNSUBSCRIBE_URL, VIEW_URL, PREFERENCES_URL = "unsubscribe_url", "view_url", "preferences_url"
SPECIAL_TAGS = frozenset({UNSUBSCRIBE_URL, VIEW_URL, PREFERENCES_URL})

MAX_TAGS = 5000
"""Merge tags and conditions of one part: more would take long to read."""
_MAX_NESTING = 30
_RAW = re.compile(r"\{%[-+]?\s*raw\b")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

Slots = list[str]
_Maker = Callable[[Values, Slots], str]


@dataclass(frozen=True, slots=True)
class Own:
    """A slot of ours: ``prefix`` always stands before it, ``number`` is its place in what ``render`` is given."""

    prefix: str
    number: int


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled template. ``names``: every merge tag in it, the special ones too."""

    names: frozenset[str]
    body: Sequenced
    makers: tuple[_Maker, ...]

    def render(self, values: Values, own: Sequence[str] = ()) -> str:
        """The text with the values put in; one that is missing or None is empty. Never fails.

        ``own``: what goes into our own slots, by number; as it is to stand there.
        """
        return self.body.filled(self.slots(values, own))

    def slots(self, values: Values, own: Sequence[str] = ()) -> Slots:
        """What goes between the fixed texts of ``body``, as :meth:`render` puts it there: ``own``, then ours."""
        slots = list(own)
        for make in self.makers:
            slots.append(make(values, slots))
        return slots

    def squeezed(self) -> Template:
        """The same of pieces (``compile_pieces``) whose runs of blanks are one blank each, to be filled with
        squeezed slots."""
        return replace(self, body=self.body.squeezed())


class Sequenced:
    """Fixed texts with a slot between each two."""

    __slots__ = ("_numbers", "_pick", "_skeleton")

    def __init__(self, fixed: Sequence[str], numbers: Sequence[int]) -> None:
        self._skeleton = [""] * (2 * len(numbers) + 1)
        self._skeleton[::2] = fixed
        self._numbers = tuple(numbers)
        if len(numbers) == 1:
            self._pick: Callable[[Slots], Sequence[str]] = lambda slots: (slots[numbers[0]],)
        else:
            self._pick = itemgetter(*numbers) if numbers else lambda slots: ()

    def filled(self, slots: Slots) -> str:
        texts = self._skeleton.copy()
        texts[1::2] = self._pick(slots)
        return "".join(texts)

    def joined(self, between: str, other: Sequenced) -> Sequenced:
        """This, a fixed text and the ``other``, which takes its slots out of the same list."""
        middle = self._skeleton[-1] + between + other._skeleton[0]
        return Sequenced([*self._skeleton[:-1:2], middle, *other._skeleton[2::2]], [*self._numbers, *other._numbers])

    def squeezed(self) -> Sequenced:
        """The same with ``quoted.squeezed`` fixed texts."""
        same = copy.copy(self)
        same._skeleton = [quoted.squeezed(text) for text in self._skeleton]
        return same


def compile_template(source: str, kind: str, field: str | None = None, html: frozenset[str] = frozenset()) -> Template:
    """Compiles a template of kind html, text or subject once, to be rendered for any number of people.

    Values are HTML-escaped in html and left as they are in text and subject; those of the fields ``html`` are markup.
    Raises ``GatewayError`` INVALID_VALUE or INVALID_CHARACTER naming ``field`` (default: the kind) and the line.
    """
    field = field or kind
    tree = _checked(source, field)
    write = (lambda value: str(escape(value))) if kind == HTML else str
    return _Compiler(Language(field, escapes=kind == HTML, html=html), write, {}, str, "").template(tree)


def merge_tags(source: str, field: str = "text") -> set[str]:
    """The names of fields that a template asks for, without the special tags. Raises as ``compile_template``."""
    return set(compile_template(source, TEXT, field).names - SPECIAL_TAGS)


def always_named(source: str, name: str, field: str) -> bool:
    """Whether a merge tag stands in a template that compiles, where no condition can hide it."""
    return name in source and any(name in _names(node) for node in _parsed(source, field).body
                                  if isinstance(node, nodes.Output))


def compile_pieces(source: str, kind: str, field: str, own: Mapping[str, Own] | None = None,
                   html: frozenset[str] = frozenset(), others: int = 0) -> Template:
    """As ``compile_template`` for a source that our own steps have worked on, rendering to quoted-printable.

    The fixed text is encoded here, once. ``own``: slots that we fill ourselves by the names that the source has for
    them, with printable ASCII without ``=``, at most 75 characters. ``others``: so many slots of another template
    stand behind them in the list that this one's slots are added to.
    """
    language = Language(field, escapes=kind == HTML, html=html, own=True)
    write = quoted.html_piece if kind == HTML else quoted.piece
    slots = {name: Own(str(escape(slot.prefix)) if kind == HTML else slot.prefix, slot.number)
             for name, slot in (own or {}).items()}
    return _Compiler(language, write, slots, quoted.piece, quoted.SOFT_BREAK, others).template(_parsed(source, field))


def tags_in_url(expression: str, at_start: bool) -> str:
    """The merge tag of an expression inside a link: percent-encoded, or a whole safe URL where it starts one."""
    return "{{ (" + expression + ")|" + (WHOLE_URL if at_start else URL_PART) + " }}"


# --- compiling ----------------------------------------------------------------------------------------------


class _Compiler:
    """One template on its way from the syntax tree to slots. Each different expression gets one slot, filled once."""

    def __init__(self, language: Language, write: Callable[[str], str], own: Mapping[str, Own],
                 encode: Callable[[str], str], after_own: str, others: int = 0) -> None:
        self._language, self._write, self._own = language, write, own
        self._encode, self._after_own = encode, after_own
        self._makers: list[_Maker] = []
        self._known: dict[str, int] = {}
        self._first = max((slot.number for slot in own.values()), default=-1) + 1 + others

    def template(self, tree: nodes.Template) -> Template:
        body = self._sequence(tree.body, 0)
        return Template(frozenset(_names(tree)), body, tuple(self._makers))

    def _sequence(self, body: Iterable[nodes.Node], depth: int) -> Sequenced:
        """Fixed text that stands together is encoded together."""
        fixed, numbers, raw, start = [], [], "", ""
        for part in _parts(body):
            if isinstance(part, nodes.TemplateData):
                raw += part.data
                continue
            own = self._own_slot(part)
            number = own.number if own else self._slot(part, depth)
            fixed.append(start + self._encode(raw + (own.prefix if own else "")))
            numbers.append(number)
            raw, start = "", self._after_own if own else ""
        fixed.append(start + self._encode(raw))
        return Sequenced(fixed, numbers)

    def _own_slot(self, node: nodes.Node) -> Own | None:
        if isinstance(node, nodes.Filter) and node.name == WHOLE_URL:  # our addresses are safe as they are
            node = node.node
        return self._own.get(node.name) if isinstance(node, nodes.Name) else None

    def _slot(self, node: nodes.Node, depth: int) -> int:
        """The number of the slot of an expression or a condition."""
        if isinstance(node, nodes.If):
            return self._add(self._condition(node, depth))
        if not isinstance(node, nodes.Expr):
            raise refused(self._language.field, node.lineno, f"{type(node).__name__} is not available")
        write, text = self._write, self._language.text(node)
        key = repr(node)  # of a tree that the language has found not to be deep
        if key not in self._known:
            self._known[key] = self._add(lambda values, slots: write(text(values)))
        return self._known[key]

    def _condition(self, node: nodes.If, depth: int) -> _Maker:
        if depth >= _MAX_NESTING:
            raise refused(self._language.field, node.lineno, "too deeply nested")
        branches: list[tuple[Test, Sequenced]] = [
            (self._language.test(one.test), self._sequence(one.body, depth + 1)) for one in (node, *node.elif_)]
        otherwise = self._sequence(node.else_, depth + 1)

        def make(values: Values, slots: Slots) -> str:
            chosen = next((sequence for holds, sequence in branches if holds(values)), otherwise)
            return chosen.filled(slots)

        return make

    def _add(self, maker: _Maker) -> int:
        self._makers.append(maker)
        return self._first + len(self._makers) - 1


def _parts(body: Iterable[nodes.Node]) -> Iterable[nodes.Node]:
    for node in body:
        if isinstance(node, nodes.Output):
            yield from node.nodes
        else:
            yield node


def _names(tree: nodes.Node) -> set[str]:
    return {node.name for node in tree.find_all(nodes.Name)}


@functools.cache
def _environment() -> jinja2.Environment:
    """Only to read with: nothing is ever run by it."""
    return jinja2.Environment(keep_trailing_newline=True, extensions=())  # noqa: S701 - see _Compiler for escaping


def _parsed(source: str, field: str) -> nodes.Template:
    try:
        return _environment().parse(source)
    except jinja2.TemplateSyntaxError as error:
        raise refused(field, error.lineno, (error.message or "cannot be read")[:200]) from None
    except (RecursionError, ValueError, SyntaxError):
        raise refused(field, 1, "too deeply nested, or a number that is too long") from None


def _checked(source: str, field: str) -> nodes.Template:
    """The tree of what an author wrote, without control characters and raw blocks."""
    bad = _CONTROLS.search(source)
    if bad:
        line = source.count("\n", 0, bad.start()) + 1
        raise GatewayError("INVALID_CHARACTER", f"{field}, line {line}: a control character; remove it.", field=field)
    if source.count("{{") + source.count("{%") > MAX_TAGS:
        raise GatewayError("INVALID_VALUE", f"{field} has more than {MAX_TAGS} merge tags and conditions. Leave some "
                                            "out.", field=field)
    tree = _parsed(source, field)
    for line, token, _ in _environment().lex(source) if _RAW.search(source) else ():
        if token == "raw_begin":  # noqa: S105 - a token of the template language
            raise refused(field, line, "raw blocks are not available")
    return tree
