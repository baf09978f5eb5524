"""Which facts block mail, and which status do they show? (ID-46)"""

from __future__ import annotations

import itertools

import pytest

from gateway.domain.suppression import blocked_by, status


@pytest.mark.parametrize(("facts", "shown"), [
    ((), "active"),
    (("bounced",), "bad_email"),
    (("opted_out",), "unsubscribed"),
    (("flagged",), "unsubscribed"),
    (("opted_out", "bounced"), "unsubscribed"),
    (("flagged", "bounced"), "unsubscribed"),
    (("orphan",), "active"),
    (("orphan", "bounced"), "bad_email"),
])
def test_status_shown(facts, shown):
    """ID-46: unsubscribed before bad e-mail before active; an orphan is blocked but has a status of its own."""
    blockers = blocked_by(**{name: name in facts for name in ("opted_out", "flagged", "bounced", "orphan")})
    assert status(blockers) == shown


def test_any_one_fact_blocks():
    """ID-46."""
    for facts in itertools.product((False, True), repeat=4):
        blockers = blocked_by(**dict(zip(("opted_out", "flagged", "bounced", "orphan"), facts, strict=True)))
        assert bool(blockers) == any(facts)
        assert len(blockers) == sum(facts)
