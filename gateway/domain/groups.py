"""Which groups is a person in after a record that says them all? (PUSH-23, ID-38..42)"""

from __future__ import annotations

from collections.abc import Iterable

from gateway.domain import interests
from gateway.domain.addresses import forbidden_character, holds_forbidden
from gateway.domain.batch import Batch
from gateway.domain.documents import as_text
from gateway.domain.merge import GROUPS
from gateway.domain.people import Membership, Person
from gateway.domain.records import MAX_INTEREST, MAX_INTERESTS_PER_RECORD, Group, Problem

GROUPS_FIELD = "groups"


def check_groups(groups: Iterable[Group]) -> Problem | None:
    """Why these cannot be the groups of a record, or None."""
    count = 0
    for group in groups:
        count += 1
        if not group.external_id.strip():
            return Problem("INVALID_VALUE", "A group has no id. Leave it out, or send its id.", GROUPS_FIELD)
        texts = (group.external_id, group.name, *group.detail.values())
        if any(map(holds_forbidden, texts)):
            return forbidden_character(GROUPS_FIELD)
        if any(len(text.strip()) > MAX_INTEREST for text in texts):
            return Problem("FIELD_TOO_LONG", f"Id, name, type and role of a group have at most {MAX_INTEREST} "
                                             "characters.", GROUPS_FIELD)
    if count > MAX_INTERESTS_PER_RECORD:
        return Problem("FIELD_TOO_LONG", f"A record has at most {MAX_INTERESTS_PER_RECORD} groups. Send fewer.",
                       GROUPS_FIELD)
    return None


def replace_groups(batch: Batch, groups: Iterable[Group], person: Person, warnings: list[Problem]) -> bool:
    """Makes the sender's group memberships of the person exactly these; whether any of them changed (ID-40).

    Other channels and sources are left alone (ID-38). A row stays when only its dates or its detail change. Whoever
    has left the interest by their own act is not added again (ID-39).
    """
    open_rows = {row.interest_id: row for row in person.memberships if row.channel == GROUPS and row.until is None}
    changed, wanted = False, set()
    for external_id, group in _last_of_each(groups, warnings).items():
        name = group.name.strip() or external_id
        interest_id = batch.interests.find_or_create_own(external_id, name)
        if interest_id is None:
            warnings.append(interests.unknown(name, GROUPS_FIELD))
            continue
        wanted.add(interest_id)
        if interest_id in person.left:
            warnings.append(interests.opted_out(name, GROUPS_FIELD))
        elif interest_id not in open_rows:
            person.memberships.append(Membership(
                interest_id, GROUPS, batch.now, begins_at=group.begins_at, ends_at=group.ends_at,
                detail=_detail(group)))
            changed = True
        else:
            changed |= _adjust(open_rows[interest_id], group)
    for interest_id, row in open_rows.items():
        if interest_id not in wanted:
            row.until, row.is_changed, changed = batch.now, True, True
    return changed


def _last_of_each(groups: Iterable[Group], warnings: list[Problem]) -> dict[str, Group]:
    found: dict[str, Group] = {}
    for group in groups:
        external_id = group.external_id.strip()
        if external_id in found:
            warnings.append(Problem("DUPLICATE_IN_BATCH", f"The group '{external_id}' is named more than once; the "
                                                          "last counts.", GROUPS_FIELD))
        found[external_id] = group
    return found


def _adjust(row: Membership, group: Group) -> bool:
    facts = (group.begins_at, group.ends_at, _detail(group))
    if facts == (row.begins_at, row.ends_at, row.detail):
        return False
    row.begins_at, row.ends_at, row.detail = facts
    row.is_changed = True
    return True


def _detail(group: Group) -> str | None:
    said = {name: text for name, text in group.detail.items() if text}
    return as_text(said) if said else None
