"""Templates: values put in safely, and nothing in a template that could fail or run long (SEND-39, SEND-40)."""

import html

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.errors import GatewayError
from gateway.mail import quoted
from gateway.mail.personalise import HTML, SUBJECT, TEXT, compile_pieces, compile_template, merge_tags

values = st.text(max_size=200) | st.sampled_from([
    "", "a\r\nb\rc", " \t ", "=", "=3D", ".", "<b>&\"'", "x" * 300, "\U0001f600"])


def render(source, kind=TEXT, **fields):
    return compile_template(source, kind).render(fields)


@pytest.mark.parametrize(("source", "fields", "expected"), [
    ("Hello {{ FirstName }}!", {"FirstName": "Ada"}, "Hello Ada!"),
    ("Hello {{ FirstName }}!", {}, "Hello !"),
    ("Hello {{ FirstName }}!", {"FirstName": None}, "Hello !"),
    ("{{ FirstName|default('member') }}", {"FirstName": ""}, "member"),
    ("{{ FirstName|default('member') }}", {"FirstName": "Ada"}, "Ada"),
    ("{{ N|upper }} {{ N|lower }} {{ N|title }} {{ N|trim }}.", {"N": "a B "}, "A B  a b  A B  a B."),
    ("{{ Nick or FirstName or 'you' }}", {"FirstName": "Ada"}, "Ada"),
    ("{{ 'Dr ' ~ Last if Last else 'you' }}", {"Last": "Q"}, "Dr Q"),
    ("{% if City == 'Bern' %}B{% elif City in ('Ulm', 'Bonn') %}U{% else %}?{% endif %}", {"City": "Bonn"}, "U"),
    ("{% if not City or 'x' in City and City != 'x' %}1{% endif %}", {"City": "axb"}, "1"),
    ("a{# note #}b\n", {}, "ab\n"),
    ("no tags, { one } brace", {}, "no tags, { one } brace"),
])
def test_what_a_template_says(source, fields, expected):
    """SEND-40: unknown and empty values are empty."""
    assert render(source, **fields) == expected


def test_values_are_escaped_in_html_only():
    """SEND-40."""
    assert render("<p>{{ X }}</p>", HTML, X="<b>&\"'") == "<p>&lt;b&gt;&amp;&#34;&#39;</p>"
    assert render("<p>{{ X|default('<') }}</p>", HTML) == "<p>&lt;</p>"
    assert render("{{ X }}", TEXT, X="<b>") == render("{{ X }}", SUBJECT, X="<b>") == "<b>"


def test_a_value_is_never_a_template():
    """What a person is called is not executed."""
    assert render("{{ X }}", X="{{ 7 }}{% if %}") == "{{ 7 }}{% if %}"


def test_merge_tags():
    """SEND-40: unknown tags are found before anything is sent; the special ones are not fields."""
    source = "{{ A|default(B) }} {% if C == D %}{{ E ~ F }}{% endif %}{{ unsubscribe_url }}{{ view_url }}"
    assert merge_tags(source) == {"A", "B", "C", "D", "E", "F"}


@pytest.mark.parametrize("source", [
    "{{ range(9) }}", "{{ X.y }}", "{{ X['y'] }}", "{{ X() }}", "{{ X.__class__.__mro__ }}", "{{ 'a' * 9 }}",
    "{{ 9 ** 9 }}", "{{ X + X }}", "{{ 1 }}", "{{ true }}", "{{ [1] }}", "{{ {'a': 'b'} }}",
    "{{ X|length(2) }}", "{{ X|truncate }}", "{{ X|truncate(2) }}", "{{ X|truncate('9') }}", "{{ X|truncate(Y) }}",
    "{{ X|date }}", "{{ X|date('%c') }}", "{{ X|date('100%') }}", "{{ X|date(Y) }}", "{{ -X }}", "{{ X|int + 1 }}",
    "{{ X|join }}", "{{ X|safe }}",
    "{{ X|attr('y') }}", "{{ X|upper('a') }}", "{{ X|default('a', false) }}", "{{ X|default(default_value='a') }}",
    "{{ X|_piece }}", "{{ _click0 }}", "{{ self }}", "{{ loop }}", "{{ X is defined }}", "{{ X|default(5) }}",
    "{% for x in X %}{% endfor %}", "{% set x = 'a' %}", "{% macro m() %}{% endmacro %}", "{% include 'x' %}",
    "{% import 'x' as y %}", "{% extends 'x' %}", "{% block x %}{% endblock %}", "{% filter upper %}{% endfilter %}",
    "{% call x() %}{% endcall %}", "{% with %}{% endwith %}", "{% raw %}{{{% endraw %}", "{% if X > 'a' %}{% endif %}",
    "{% if X == 5 %}{% endif %}",
    "{% if X|int == '5' %}{% endif %}", "{% if X|int in Y %}{% endif %}", "{% if X in ('a',) in Y %}{% endif %}",
    "{% if 5 in X %}{% endif %}", "{% if X in Y == Z in [1] %}{% endif %}", "{% if ('a',) in X %}{% endif %}",
    "{{ X", "{{ }}", "{% if X %}", "{% endif %}", "{{ First Name }}", "{{ X|nosuch }}",
    "{{ " + "(" * 5000 + "X" + ")" * 5000 + " }}",
    "{{ " + "not " * 5000 + "X }}", "{{ " + "9" * 5000 + " }}", "{% if X %}" * 200 + "{% endif %}" * 200,
    "{{ " + "X or " * 5000 + "X }}", "a\x00b", "\x1b[0m",
])
def test_everything_else_is_refused_with_field_and_line(source):
    """SEND-39: no loop, call, attribute or arithmetic; the author is told where."""
    with pytest.raises(GatewayError) as caught:
        compile_template("first line\n" + source, HTML, "html")
    assert caught.value.code in ("INVALID_VALUE", "INVALID_CHARACTER")
    assert caught.value.field == "html" and caught.value.message.startswith("html, line ")
    if len(source) < 60:
        assert caught.value.message.startswith("html, line 2:")


TRICKY_SOURCE = ("{% if A in B %}{{ A|title }}{% endif %}{{ (A or B)|default(C) }}"
                 "{{ A ~ B|upper if C not in A else C|e }}{{ A|int }}{{ B|truncate(5) }}{{ C|date('%A %e') }}"
                 "{% if A|length > B|int %}{{ A|striptags }}{% endif %}"
                 "{% if A == B or C in ('x', A) %}{{ C|capitalize|trim }}{% endif %}")
TRICKY = {kind: compile_template(TRICKY_SOURCE, kind) for kind in (HTML, TEXT, SUBJECT)}


@pytest.mark.parametrize("kind", [HTML, TEXT, SUBJECT])
@given(a=values, b=values, c=st.none() | values)
def test_no_value_makes_a_template_fail(kind, a, b, c):
    """A send never stops half-way because of what somebody is called."""
    TRICKY[kind].render({"A": a, "B": b, "C": c})
    TRICKY[kind].render({})


@pytest.mark.parametrize("kind", [HTML, TEXT])
@given(a=values, b=values)
def test_pieces_say_the_same_as_the_plain_template(kind, a, b):
    """SEND-39, SEND-41: quoted-printable put together from pieces is the same text, lines up to 76 characters."""
    encoded = PIECES[kind].render({"A": a, "B": b})
    assert encoded.isascii() and all(len(line) <= 76 for line in encoded.split("\r\n"))
    assert "\n" not in encoded.replace("\r\n", "") and "\r" not in encoded.replace("\r\n", "")
    lines = {"A": "\n".join(a.replace("\r\n", "\n").split("\r")), "B": "\n".join(b.replace("\r\n", "\n").split("\r"))}
    assert quoted.plain(encoded) == PLAIN[kind].render(lines)


SOURCE = ("Tag {{ A }}\u00e9 \n.dot{{ B }} {{ A }}{{ B }}\n{% if A == B %}same {{ A }}{% endif %}" + "\u00fc" * 80
          + " =\n")
PIECES = {kind: compile_pieces(SOURCE, kind, kind) for kind in (HTML, TEXT)}
PLAIN = {kind: compile_template(SOURCE, kind) for kind in (HTML, TEXT)}


@example("x" * 74 + " \n")
@example("." * 74 + "\t\n")
@given(text=st.text() | st.text("ab \t=.\n\r\u00e9", max_size=200) | st.lists(
    st.sampled_from(["From ", ".", "\n", "x" * 70, "."  * 75]), max_size=6).map("".join))
def test_a_piece_is_quoted_printable_of_its_own(text):
    """SEND-41: begins and ends at the start of a line, so pieces join in any order."""
    piece = quoted.piece(text)
    assert piece == "" or piece.endswith("\r\n")
    assert all(len(line) <= 76 and line == line.rstrip(" \t") and not line.startswith((".", "From "))
               for line in piece.split("\r\n"))
    expected = text.replace("\r\n", "\n").replace("\r", "\n")
    assert quoted.plain(piece + quoted.piece("x\n")) == expected + "x\n"


def test_html_pieces_are_escaped_before_they_are_encoded():
    """SEND-40."""
    assert html.unescape(quoted.plain(quoted.html_piece("<a href='x'>\u00e9"))) == "<a href='x'>\u00e9"
