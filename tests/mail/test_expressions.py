"""Merge tags and conditions: they mean what Jinja says, and no more than is listed can be said (SEND-39, SEND-40)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2.sandbox import SandboxedEnvironment

from gateway.mail import quoted
from gateway.mail.personalise import HTML, TEXT, compile_pieces, compile_template

NAMES = ("A", "B", "C")
texts = st.text(max_size=12) | st.sampled_from([
    "", " ", "<b>", "7", "-3", " 12.7", "1e400", "nan", "x" * 80, "ab cd", "2026-03-01", "\u0661", "\U0001f600 \u05d0"])
constants = st.sampled_from(["'x'", "'a b'", "''", "'<i>'", "'7'"])


FILTERS = ("upper", "lower", "capitalize", "title", "trim", "e", "striptags", "truncate(9)")


@st.composite
def expressions(draw, depth=2, number=False):
    """The source of a text; ``number``: of a number, perhaps."""
    form = draw(st.sampled_from(["leaf", "filter", "default", "~", "and", "or", "else", "number"])) if depth else "leaf"
    if form == "leaf" or (form == "number" and not number):
        return draw(st.sampled_from(NAMES) | constants)
    one = draw(expressions(depth - 1, number and form in ("~", "and", "or", "default")))
    if form == "number":
        return f"({one})|{draw(st.sampled_from(['int', 'length']))}"
    if form == "filter":
        return f"({one})|{draw(st.sampled_from(FILTERS))}"
    two = draw(expressions(depth - 1))
    if form == "default":
        return f"({one})|default({two})"
    return f"({one}) if {draw(conditions(depth - 1))} else ({two})" if form == "else" else f"({one}) {form} ({two})"


COMPARED = ("(%s) == (%s)", "(%s) != (%s)", "(%s) in (%s)", "(%s) not in ['x', (%s)]", "(%s)|int < (%s)|length",
            "(%s) == 'x' == (%s)")
JUDGED = ("(%s)", "(%s)|int > 3", "3 <= (%s)|length < 9", "(%s) >= '2026-01-01'", "(%s)|int", "(%s)|int == -3")


@st.composite
def conditions(draw, depth=1):
    """The source of a condition."""
    form = draw(st.sampled_from(["judged", "compared", "not", "and", "or"] if depth else ["judged", "compared"]))
    if form == "judged":
        return draw(st.sampled_from(JUDGED)) % draw(expressions(depth))
    if form == "compared":
        return draw(st.sampled_from(COMPARED)) % (draw(expressions(depth)), draw(expressions(depth)))
    if form == "not":
        return f"not ({draw(conditions(depth - 1))})"
    return f"({draw(conditions(depth - 1))}) {form} ({draw(conditions(depth - 1))})"


@st.composite
def templates(draw, depth=1):
    """The source of a template."""
    out = []
    for part in draw(st.lists(st.sampled_from(["text", " \n", "\u00e9<p>", "=", "{{", "{%"]), max_size=4)):
        if part == "{{":
            alone = draw(st.sampled_from(["", f" if {draw(conditions(0))}"]))
            part = "{{ (" + draw(expressions(number=True)) + ")" + alone + " }}"
        elif part == "{%":
            branches = [draw(templates(depth - 1)) if depth else "b" for _ in range(3)]
            part = (f"{{% if {draw(conditions())} %}}{branches[0]}{{% elif {draw(conditions())} %}}{branches[1]}"
                    f"{{% else %}}{branches[2]}{{% endif %}}")
        out.append(part)
    return "".join(out)


def reference(kind):
    """Jinja's own sandbox, with the one difference that we document: an empty value is a missing one."""
    environment = SandboxedEnvironment(autoescape=kind == HTML, keep_trailing_newline=True)
    environment.filters["default"] = lambda value, instead="", also_false=True: value or instead
    return environment


@pytest.mark.parametrize("kind", [HTML, TEXT])
@settings(deadline=None, max_examples=40)
@given(source=templates(), a=texts, b=texts, c=texts)
def test_a_template_says_what_jinja_says(kind, source, a, b, c):
    """SEND-40: the well-known language, held to its own implementation."""
    values = {"A": a, "B": b, "C": c}
    assert compile_template(source, kind).render(values) == reference(kind).from_string(source).render(values)


@pytest.mark.parametrize("kind", [HTML, TEXT])
@settings(deadline=None, max_examples=30)
@given(source=templates(), a=texts, b=texts, c=texts)
def test_pieces_say_it_too(kind, source, a, b, c):
    """SEND-39, SEND-41: the same in quoted-printable, put together of pieces; lines up to 76 characters, CRLF only."""
    values = {"A": a, "B": b, "C": c}
    encoded = compile_pieces(source + "\n", kind, kind).render(values)
    assert all(len(line) <= 76 for line in encoded.split("\r\n")) and encoded.count("\r\n") == encoded.count("\n")
    said = compile_template(source + "\n", kind).render(values)
    assert quoted.plain(encoded) == said.replace("\r\n", "\n").replace("\r", "\n")


def render(source, kind=TEXT, html=(), **values):
    return compile_template(source, kind, html=frozenset(html)).render(values)


@pytest.mark.parametrize(("pattern", "expected"), [
    ("%d.%m.%Y", "05.03.2026"), ("%A, %e %B %y", "Thursday, 5 March 26"), ("%a %b 100%%", "Thu Mar 100%"), ("x", "x")])
def test_days_are_written_as_the_author_likes(pattern, expected):
    """The same on every machine, whatever its language."""
    assert render(f"{{{{ D|date('{pattern}') }}}}", D="2026-03-05") == expected
    assert render(f"{{{{ D|date('{pattern}') }}}}", D="2026-03-05T23:59:59-08:00") == expected


@pytest.mark.parametrize("value", ["", "soon", "2026-02-30", "5.3.2026", None])
def test_what_is_no_day_stays_as_it_is(value):
    """No value makes a template fail."""
    assert render("{{ D|date('%Y') }}", D=value) == (value or "")


def test_days_and_numbers_are_compared_by_what_they_are():
    """SEND-40: where text would compare wrongly, the author is told (test_personalise)."""
    source = "{% if P|int >= 100 %}gold{% elif P|int %}some{% else %}none{% endif %} {{ 'late' if D < '2026-01-01' }}"
    assert render(source, P="99", D="2025-12-31") == "some late"
    assert render(source, P="1000", D="2026-01-01") == "gold "
    assert render(source, P="no", D="2026-03-01") == "none "


MARKUP = "<b>Gold</b> &amp;<br>more <i>now</i>"


def test_only_fields_of_kind_html_are_markup():
    """SEND-40: raw in HTML; in text and subject what they read like; in links percent-encoded."""
    assert render("<p>{{ Note }}{{ City }}</p>", HTML, {"Note"}, Note=MARKUP, City="<i>") == f"<p>{MARKUP}&lt;i&gt;</p>"
    assert render("{{ Note }}", TEXT, {"Note"}, Note=MARKUP) == "Gold &\nmore now"
    assert render("{{ Note|default('-') }}", HTML, {"Note"}) == "-"
    assert render("{{ Note|truncate(8) }}", HTML, {"Note"}, Note="<b>A & B</b> and more words") == "A &amp;..."
    note = frozenset({"Note"})
    pieces = compile_pieces("<p>{{ Note }}</p>\n", HTML, "html", html=note).render({"Note": "<b>\u00e9=</b>"})
    assert quoted.plain(pieces) == "<p><b>\u00e9=</b></p>\n"
    link = compile_pieces("{{ (Note)|_url_part }}\n", HTML, "html", html=note).render({"Note": MARKUP})
    assert quoted.plain(link) == "Gold%20%26more%20now\n"


def test_a_value_that_is_markup_elsewhere_is_escaped_without_the_field():
    """SEND-40: the kind of the field decides, never the value."""
    assert render("{{ Note }}", HTML, Note=MARKUP).startswith("&lt;b&gt;")


def test_one_expression_costs_once():
    """SEND-39: however often a tag stands in a template, its value is worked on once."""
    template = compile_pieces("{{ A|upper }} {{ A|upper }}{% if B %}{{ A|upper }}{% endif %}\n", TEXT, "text")
    assert len(template.makers) == 2
