"""How are a person's values put into a template, and what may a template say? (SEND-39, SEND-40)

A template is text with ``{{ FirstName }}``, ``{{ FirstName|default('member') }}`` and ``{% if %}``. Nothing else
of the template language is let in: no loops, calls, attributes, assignments or arithmetic. What is left always
ends, never fails for any value, and is never longer than its own text plus the values it names.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

import jinja2
from jinja2 import nodes
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import Markup

from gateway.errors import GatewayError
from gateway.mail import quoted

HTML, TEXT, SUBJECT = "html", "text", "subject"
UNSUBSCRIBE_URL, VIEW_URL = "unsubscribe_url", "view_url"
SPECIAL_TAGS = frozenset({UNSUBSCRIBE_URL, VIEW_URL})

FILTERS = {"default": 1, "upper": 0, "lower": 0, "capitalize": 0, "title": 0, "trim": 0, "escape": 0, "e": 0}
"""Filters of merge tags, and how many arguments each takes at most."""

_MAX_DEPTH = 30
_RESERVED = frozenset({"self", "loop", "super", "caller", "varargs", "kwargs"})
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_SAFE_IN_URL = ":/?#[]@!$&()*+,;=%~-._"
_COMPARISONS = frozenset({"eq", "ne", "in", "notin"})


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled template. ``names``: every merge tag in it, the special ones too."""

    names: frozenset[str]
    template: jinja2.Template

    def render(self, values: Mapping[str, str | None]) -> str:
        """The text with the values put in; one that is missing or None is empty. Never fails."""
        return self.template.render({name: values.get(name) or "" for name in self.names})


def compile_template(source: str, kind: str, field: str | None = None) -> Template:
    """Compiles a template of kind html, text or subject once, to be rendered for any number of people.

    Values are HTML-escaped in html and left as they are in text and subject. Raises ``GatewayError``
    INVALID_VALUE or INVALID_CHARACTER naming ``field`` (default: the kind) and the line.
    """
    return _compiled(_checked(source, kind, field or kind), kind)


def merge_tags(source: str, field: str = "text") -> set[str]:
    """The names of fields that a template asks for, without the special tags. Raises as ``compile_template``."""
    return _names(_checked(source, TEXT, field)) - SPECIAL_TAGS


def always_named(source: str, field: str) -> set[str]:
    """The merge tags that no condition can hide. Raises as ``compile_template``."""
    tree = _checked(source, TEXT, field)
    return {name for node in tree.body if isinstance(node, nodes.Output) for name in _names(node)}


def compile_pieces(source: str, kind: str, field: str) -> Template:
    """As ``compile_template`` for a source that our own steps have worked on, rendering to quoted-printable.

    The fixed text is encoded here, once. Names that begin with ``_`` are ours: their values are already pieces.
    """
    tree = _parsed(_environment(kind), source, field)
    names = _names(tree)
    wrap = "_html_piece" if kind == HTML else "_piece"
    for output in tree.find_all(nodes.Output):
        output.nodes = [_as_piece(node, wrap) for node in output.nodes]
    tree.set_environment(_environment(kind))
    return Template(frozenset(names), _environment(kind).from_string(tree))


def tags_in_url(expression: str, at_start: bool) -> str:
    """The merge tag of an expression inside a link: percent-encoded, or a whole safe URL where it starts one."""
    return "{{ (" + expression + ")|" + ("_whole_url" if at_start else "_url_part") + " }}"


# --- the environment --------------------------------------------------------------------------------------


@functools.cache
def _environment(kind: str) -> SandboxedEnvironment:
    environment = SandboxedEnvironment(autoescape=kind == HTML, keep_trailing_newline=True, extensions=())
    builtin = environment.filters
    environment.filters = {name: builtin[name] for name in FILTERS}
    environment.filters |= {"default": _default, "_url_part": _url_part, "_whole_url": _whole_url,
                            "_piece": _piece, "_html_piece": quoted.html_piece, "safe": builtin["safe"]}
    environment.globals.clear()
    environment.tests.clear()
    return environment


def _piece(value: object) -> str:
    return quoted.piece(str(value))


def _default(value: str, instead: str = "") -> str:
    """The value, or ``instead`` when it is empty: a person without a first name has an empty one."""
    return value or instead


def _url_part(value: str) -> str:
    return quote(str(value), safe="", errors="replace")


def _whole_url(value: str) -> str:
    """A value that is a link by itself: kept when it is a web address, else empty (no ``javascript:``)."""
    text = (value.unescape() if isinstance(value, Markup) else value).strip()
    return quote(text, safe=_SAFE_IN_URL, errors="replace") if text.lower().startswith(("http://", "https://")) else ""


# --- what a template may say -------------------------------------------------------------------------------


def _parsed(environment: SandboxedEnvironment, source: str, field: str) -> nodes.Template:
    try:
        return environment.parse(source)
    except jinja2.TemplateSyntaxError as error:
        raise _refused(field, error.lineno, (error.message or "cannot be read")[:200]) from None
    except (RecursionError, ValueError, SyntaxError):
        raise _refused(field, 1, "too deeply nested, or a number that is too long") from None


def _checked(source: str, kind: str, field: str) -> nodes.Template:
    bad = _CONTROLS.search(source)
    if bad:
        line = source.count("\n", 0, bad.start()) + 1
        raise GatewayError("INVALID_CHARACTER", f"{field}, line {line}: a control character; remove it.", field=field)
    environment = _environment(kind)
    tree = _parsed(environment, source, field)
    for line, token, _ in environment.lex(source):
        if token == "raw_begin":  # noqa: S105 - a token of the template language
            raise _refused(field, line, "raw blocks are not available")
    _check_body(tree.body, field, 0)
    return tree


def _compiled(tree: nodes.Template, kind: str) -> Template:
    return Template(frozenset(_names(tree)), _environment(kind).from_string(tree))


def _names(tree: nodes.Node) -> set[str]:
    return {node.name for node in tree.find_all(nodes.Name)}


def _refused(field: str, line: int, reason: str) -> GatewayError:
    return GatewayError("INVALID_VALUE", f"{field}, line {line}: {reason}. A template takes {{{{ FieldName }}}}, "
                        f"the filters {', '.join(FILTERS)}, and {{% if %}}.", field=field)


def _check_body(body: Iterable[nodes.Node], field: str, depth: int) -> None:
    for node in body:
        if depth > _MAX_DEPTH:
            raise _refused(field, node.lineno, "too deeply nested")
        if isinstance(node, nodes.Output):
            for part in node.nodes:
                if not isinstance(part, nodes.TemplateData):
                    _check_text(part, field, depth + 1)
        elif isinstance(node, nodes.If):
            _check_test(node.test, field, depth + 1)
            _check_body([*node.body, *node.elif_, *node.else_], field, depth + 1)
        else:
            raise _refused(field, node.lineno, f"{type(node).__name__} is not available")


def _check_text(node: nodes.Node, field: str, depth: int) -> None:
    """Lets through what is always a string, whatever the values are."""
    if depth > _MAX_DEPTH:
        raise _refused(field, node.lineno, "too deeply nested")
    parts: list[nodes.Node] = []
    if isinstance(node, nodes.Name):
        if node.name.startswith("_") or node.name in _RESERVED:
            raise _refused(field, node.lineno, f"{node.name} is not the name of a field")
    elif isinstance(node, nodes.Const):
        if not isinstance(node.value, str):
            raise _refused(field, node.lineno, "values are text; put numbers and words into quotes")
    elif isinstance(node, nodes.Filter):
        extra = node.kwargs or node.dyn_args or node.dyn_kwargs or node.node is None
        if extra or len(node.args) > FILTERS.get(node.name, -1):
            raise _refused(field, node.lineno, f"the filter {node.name} is not available in this form")
        parts = [node.node, *node.args]
    elif isinstance(node, nodes.CondExpr) and node.expr2 is not None:
        _check_test(node.test, field, depth + 1)
        parts = [node.expr1, node.expr2]
    elif isinstance(node, nodes.Concat):
        parts = node.nodes
    elif isinstance(node, nodes.And | nodes.Or):
        parts = [node.left, node.right]
    else:
        raise _refused(field, node.lineno, f"{type(node).__name__} is not available here")
    for part in parts:
        _check_text(part, field, depth + 1)


def _check_test(node: nodes.Node, field: str, depth: int) -> None:
    """Lets through conditions that no value can make fail."""
    if depth > _MAX_DEPTH:
        raise _refused(field, node.lineno, "too deeply nested")
    if isinstance(node, nodes.Not):
        _check_test(node.node, field, depth + 1)
    elif isinstance(node, nodes.And | nodes.Or):
        _check_test(node.left, field, depth + 1)
        _check_test(node.right, field, depth + 1)
    elif isinstance(node, nodes.Compare):
        _check_text(node.expr, field, depth + 1)
        for operand in node.ops:
            if operand.op not in _COMPARISONS:
                raise _refused(field, node.lineno, "values are text: compare with ==, != or in")
            in_list = operand.op in ("in", "notin") and isinstance(operand.expr, nodes.List | nodes.Tuple)
            for item in operand.expr.items if in_list else [operand.expr]:
                _check_text(item, field, depth + 1)
    else:
        _check_text(node, field, depth)


def _as_piece(node: nodes.Expr, wrap: str) -> nodes.Expr:
    if isinstance(node, nodes.TemplateData):
        return nodes.TemplateData(quoted.piece(node.data), lineno=node.lineno)
    own = isinstance(node, nodes.Name) and node.name.startswith("_")
    return nodes.Filter(node, "safe" if own else wrap, [], [], None, None, lineno=node.lineno)


