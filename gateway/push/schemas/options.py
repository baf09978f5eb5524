"""The import options as parameters of the URL, the same for every format (PUSH-50..56)."""

from __future__ import annotations

from gateway.domain.records import CLEAR, KEEP, MODES
from gateway.push.query import Parameter
from gateway.push.schemas.kinds import Flag, Text, Word

DETAIL = Parameter("detail", Word(("all", "failures", "none"), "which results to list; the counts are always there"))

IMPORT_OPTIONS = (
    Parameter("mode", Word(MODES, "AddOrUpdate is the default; Remove and ReplaceAll need an interest")),
    Parameter("interest", Text("an interest that everybody joins (or leaves, in mode Remove)"), repeatable=True),
    Parameter("emptyValue", Word((KEEP, CLEAR), "what an empty text means; Keep is the default")),
    Parameter("dryRun", Flag("say what would happen, store nothing")),
    DETAIL,
    Parameter("source", Text("a label for people who come without a remote ID")),
)
