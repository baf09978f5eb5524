"""How do the explanation and the history of a person look in the words of the contract? (SOAP-48, SOAP-65, ID-79)"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.domain.explained import facts
from gateway.domain.explanation import Explanation
from gateway.domain.history import HistoryEntry
from gateway.soap.encode import Values

LISTS = {"people": "person", "links": "link", "fields": "field", "memberships": "membership", "left": "leftInterest",
         "decisions": "decision", "changes": "change", "warnings": "warning", "blockers": "blocker",
         "values": "sourceValue", "writebacks": "writeback"}
"""Lists in JSON and, under the name of one of their items, in the contract; the others are called the same."""

TEXTS = "detail"
"""The one member that is an object of any names."""


def explanation(answer: Explanation) -> Values:
    """The whole tree."""
    return renamed(facts(answer, lambda moment: moment))


def history_entry(given: HistoryEntry) -> Values:
    """One thing that happened."""
    return renamed(facts(given, lambda moment: moment))


def renamed(node: Mapping[str, Any]) -> dict[str, Any]:
    """A node with the contract's names."""
    found: dict[str, Any] = {}
    for name, value in node.items():
        if name == TEXTS:
            found[name] = [{"name": key, "value": text} for key, text in value.items()]
        elif isinstance(value, list):
            found[LISTS.get(name, name)] = [renamed(each) if isinstance(each, dict) else each for each in value]
        else:
            found[name] = renamed(value) if isinstance(value, dict) else value
    return found
