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

FILE_OPTIONS = (
    *IMPORT_OPTIONS,
    Parameter("notify", Text("an address that is told when the job has ended"), repeatable=True),
    Parameter("columns", Text("names of the columns of a table without header, separated by commas")),
    Parameter("mapping", Text("the saved column mapping of this name")),
    Parameter("delimiter", Text("what parts the columns of a CSV file; default a comma")),
    Parameter("quote", Word(("double", "none"), "whether quotes mean anything in a table; default double")),
)
"""The options of a file; those of tables are refused for other formats."""
