"""How does the caller want records applied? The import options, the same for every format (PUSH-50..56)."""

from __future__ import annotations

from gateway.domain.records import ADD_OR_UPDATE, CLEAR, KEEP, MODES, ImportOptions
from gateway.push import query

_DETAILS = {"all": "All", "failures": "Failures", "none": "None"}
NAMES = ("mode", "emptyValue", "dryRun", "detail", "source")
REPEATABLE = ("interest",)


def import_options() -> ImportOptions:
    """The options of the query; raises ``INVALID_VALUE`` naming the parameter and its words."""
    return ImportOptions(
        mode=query.word("mode", {word: word for word in MODES}, ADD_OR_UPDATE),
        empty_value=query.word("emptyValue", {KEEP: KEEP, CLEAR: CLEAR}, KEEP),
        interests=query.texts("interest"), dry_run=bool(query.boolean("dryRun")), detail=detail(),
        label=query.text("source") or "")


def detail() -> str:
    """Which results the answer lists: All (default), Failures or None (PUSH-28)."""
    return query.word("detail", _DETAILS, "All")
