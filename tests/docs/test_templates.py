"""Every example of docs/templates.md does what the document says (SEND-40)."""

import re
from pathlib import Path

import pytest

from gateway.mail import links, quoted
from gateway.mail.expressions import FILTERS
from gateway.mail.personalise import HTML, TEXT, compile_pieces, compile_template

DOCUMENT = (Path(__file__).parents[2] / "docs" / "templates.md").read_text(encoding="utf-8")
_ROW = re.compile(r"^\| `(.+?)` \| (?:`(.+?)`)? ?\| `(.*?)` \|$", re.M)


def rows():
    """(HTML or text, template, values, what becomes of it) of every table."""
    for section in DOCUMENT.split("\n## "):
        kind = HTML if "| template (HTML) |" in section else TEXT
        for template, given, expected in _ROW.findall(section):
            yield kind, template.replace("\\|", "|"), dict([given.split("=", 1)] if given else []), expected


@pytest.mark.parametrize(("kind", "template", "values", "expected"), list(rows()))
def test_an_example(kind, template, values, expected):
    """As it is written there; in HTML with what is done to links."""
    compile_template(template, kind)
    made = links.cut_html(template, None, str) if kind == HTML else template
    assert quoted.plain(compile_pieces(made + "\n", kind, kind).render(values)) == expected + "\n"


def test_all_filters_are_told_of():
    """Nothing is there that an author cannot find."""
    assert len(list(rows())) >= 20
    for name in FILTERS:
        assert re.search(rf"\\\|{name}\b|`{name}`", DOCUMENT), name
