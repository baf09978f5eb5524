"""How does an integration get an interest under an id of its own? (PUSH-23, ID-42)"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

from gateway.db.queries import interests, own_interests
from gateway.db.unit import Unit
from gateway.domain.interests import OwnInterest
from gateway.domain.records import MAX_INTEREST


def own_interest_maker(unit: Unit, integration_id: int, integration: str) -> Callable[[str, str], OwnInterest]:
    """Makes the integration's interest of an external id, under a name that no other has (ID-42, PUSH-23)."""
    def make(external_id: str, name: str) -> OwnInterest:
        free = next(wanted for wanted in _names(name, integration)
                    if not interests.by_name(unit.connection, unit.brand_id, [wanted]))
        return own_interests.add(unit.connection, unit.brand_id, integration_id, external_id, free, unit.now)
    return make


def _names(name: str, integration: str) -> Iterator[str]:
    """The name, then with the integration's, then with numbers too; each as long as a name may be."""
    yield name
    for number in count(1):
        ending = f" ({integration})" if number == 1 else f" ({integration} {number})"
        yield name[:MAX_INTEREST - len(ending)] + ending
