"""Is there a rule of sending that no test claims to check?"""

from __future__ import annotations

import re

from tests.support.installation import ROOT

RULES = 62
_CITED = re.compile(r"SEND-(\d+)(?:\.\.(?:SEND-)?(\d+))?")


def test_each_rule_of_sending_is_cited_by_a_test():
    """In a docstring or a comment beside what fails when the rule is broken; a range names all in it."""
    cited = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        for first, last in _CITED.findall(path.read_text(encoding="utf-8")):
            cited.update(range(int(first), int(last or first) + 1))
    assert not sorted(set(range(1, RULES + 1)) - cited)
    assert not sorted(cited - set(range(1, RULES + 1))), "no such rule"
