"""Has every rule that a decision can carry a sentence? (ID-78)"""

import re
from pathlib import Path

from gateway.domain.rulebook import MEANINGS, meaning

GATEWAY = Path(__file__).parents[2] / "gateway"


def test_every_rule_that_the_code_stores_has_a_sentence():
    """ID-78: the rule number of a decision is explained, whichever module wrote it."""
    named = {found: path.name for folder in ("domain", "services") for path in (GATEWAY / folder).rglob("*.py")
             for found in re.findall(r'"(ID-\d+)"', path.read_text(encoding="utf-8"))}
    assert {rule: name for rule, name in named.items() if rule not in MEANINGS} == {}


def test_sentences_are_sentences():
    for rule, sentence in MEANINGS.items():
        assert re.fullmatch(r"ID-\d+", rule)
        assert sentence[0].isupper() and sentence.endswith(".") and "\n" not in sentence
    assert meaning(None) is None and meaning("ID-999") is None
