"""How does an integration get an interest under an id of its own, and how is it called? (PUSH-23, ID-42)"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import count

from gateway.db.queries import interests, own_interests
from gateway.db.unit import Unit
from gateway.domain.interests import MAX_INTERESTS, OwnInterest, new_names
from gateway.domain.records import MAX_INTEREST


def room_for_interests(unit: Unit) -> Callable[[], bool]:
    """Whether there is room for one more interest; each True takes a place. They are counted when it is first asked."""
    left: list[int] = []

    def has_room() -> bool:
        if not left:
            left.append(MAX_INTERESTS - interests.count(unit.connection, unit.brand_id))
        left[0] -= 1
        return left[0] >= 0
    return has_room


def own_interest_maker(unit: Unit, integration_id: int, integration: str) -> Callable[[str, str], OwnInterest | None]:
    """Makes the integration's interest of an external id, under a name that no other has (ID-42, PUSH-23).

    None when the brand has no room for another.
    """
    has_room = room_for_interests(unit)

    def make(external_id: str, name: str) -> OwnInterest | None:
        if not has_room():
            return None
        free = next(wanted for wanted in _names(name, integration)
                    if not interests.by_name(unit.connection, unit.brand_id, [wanted]))
        return own_interests.add(unit.connection, unit.brand_id, integration_id, external_id, free, unit.now)
    return make


def settle_names(unit: Unit, own: Collection[OwnInterest], wanted: Mapping[int, str]) -> frozenset[int]:
    """Shows the sender's ``own`` interests under the ``wanted`` names, as far as no other interest keeps them.

    They change at the end of a call and all at once: names may be swapped, and the same call again changes nothing.
    Answers the ids of those that have another name now. The caller holds the brand's lock.
    """
    other = {each.interest_id: wanted[each.interest_id] for each in own
             if wanted.get(each.interest_id, each.name) != each.name}
    if not other:
        return frozenset()
    found = new_names(other, interests.by_name(unit.connection, unit.brand_id, set(other.values())))
    if found:
        own_interests.rename(unit.connection, unit.brand_id, found)
    return frozenset(found)


def _names(name: str, integration: str) -> Iterator[str]:
    """The name, then with the integration's, then with numbers too; each as long as a name may be."""
    yield name
    for number in count(1):
        ending = f" ({integration})" if number == 1 else f" ({integration} {number})"
        yield name[:MAX_INTEREST - len(ending)] + ending
