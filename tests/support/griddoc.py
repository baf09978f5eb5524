"""How is docs/grids.md made? ``python -m tests.support.griddoc > docs/grids.md`` writes it from the catalogue."""

from __future__ import annotations

from gateway.aapi.grids.catalogue import shapes
from gateway.db.queries.grids.tables import served
from gateway.domain.grids import Kind

KINDS = {Kind.NUMBER: "number", Kind.BIT: "bit", Kind.TEXT: "text", Kind.ADDRESS: "address", Kind.REMOTE: "remote ID",
         Kind.DATE: "date"}

HEAD = """# Grids of the document API

What a `GridRequest` may ask for; how it is asked, and what each answer looks like, is the vendor's interface
([aapi.md](aapi.md) says what to change in an integration: the address). This page is made from the catalogue
(`gateway/aapi/grids/catalogue.txt`) by `python -m tests.support.griddoc`, and a test compares them.

* Names of grids and elements are compared without case and underscores and echoed as asked for; `EmailAddress` is
  `Email`. Every grid has `Count`. Every other element can be filtered and sorted by; *italic*: ours, not the vendor's.
* Rows come in the order of the key, unless a `SortField` says otherwise. A page has at most 1,000 rows.
* A page behind the first 5,000 rows goes on behind the row at which the page before it ended, if that was asked for
  within two minutes from the same process: whoever pages on sees each row once, and the thousandth page costs what the
  first does. Any other one is counted to, up to a second for each million rows before it, and repeats rows if others
  came in meanwhile.
* Hits of machines (link checkers, image proxies) are left out, as in the reports. Of a person who was erased no hits
  are shown; the figures of an instance still count them.
* The product has no web tracking, campaigns, landing pages, scores or events: their grids are known, and empty.
"""


def document() -> str:
    """The whole page."""
    rows = served(postgres=False)
    with_rows = [token for token in sorted(shapes()) if token in rows]
    empty = [token for token in sorted(shapes()) if token not in rows]
    parts = [HEAD, f"\n## Served ({len(with_rows)})\n\n", *_table(with_rows), f"\n## Empty ({len(empty)})\n\n",
             *_table(empty)]
    return "".join(parts)


def _table(tokens: list[str]) -> list[str]:
    return ["| grid | key | elements |\n|---|---|---|\n", *map(_row, tokens)]


def _row(token: str) -> str:
    shape = shapes()[token]
    key = ", ".join(shape.elements[name].name for name in shape.key)
    elements = ", ".join(
        f"{f'*{each.name}*' if each.ours else each.name} ({KINDS[each.kind]})"
        for name, each in shape.elements.items() if name != "count").replace("_", "\\_")
    return f"| `{shape.token}` | {key} | {elements} |\n".replace(f"| {key} |", "| " + key.replace("_", "\\_") + " |")


if __name__ == "__main__":
    print(document(), end="")
