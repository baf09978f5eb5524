"""What must come of it? The identity rule once more, in a few lines, to check the gateway's counts against."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from members import Row


@dataclass(eq=False)
class Person:
    """One record that the gateway should have."""

    email: str
    remote_id: str | None
    values: tuple[str, str] | None = None
    is_member: bool = False
    is_flagged: bool = False


@dataclass
class Model:
    """All records that the gateway should have."""

    people: list[Person] = field(default_factory=list)
    by_id: dict[str, Person] = field(default_factory=dict)
    by_email: dict[str, list[Person]] = field(default_factory=dict)

    def apply(self, rows: Iterable[Row]) -> Counter[str]:
        """Imports rows in order; answers how many should be created, adopted, updated, unchanged, failed."""
        return Counter(self._one(row.member_no, row.email, (row.first_name, row.last_name)) for row in rows)

    def sync(self, members: Iterable[Row], is_flagged: dict[str, bool]) -> Counter[str]:
        """Syncs (remote ID, address, flag); values are not part of a sync."""
        return Counter(self._one(m.member_no, m.email, None, is_flagged[m.member_no]) for m in members)

    def _one(self, remote_id: str, email: str, values: tuple[str, str] | None, flagged: bool | None = None) -> str:
        email = email.strip().lower()
        if "@" not in email:
            return "failed"
        at = self.by_email.setdefault(email, [])
        keyless = next((p for p in at if p.remote_id is None), None)
        person = self.by_id.get(remote_id) if remote_id else None
        status = "unchanged"
        if remote_id and person is None:
            person = keyless
            status = "adopted" if person else "created"
        elif not remote_id:
            if len(at) > 1:
                return "failed"
            person, status = (at[0], "unchanged") if at else (None, "created")
        if person is None:
            person = Person(email, remote_id or None)
            self.people.append(person)
            at.append(person)
        if remote_id:
            person.remote_id = remote_id
            self.by_id[remote_id] = person
        before = (person.email, person.values, person.is_member, person.is_flagged)
        if person.email != email:
            self.by_email[person.email].remove(person)
            at.append(person)
            person.email = email
        person.values = values or person.values
        person.is_member = True
        person.is_flagged = person.is_flagged if flagged is None else flagged
        if status == "unchanged" and before != (person.email, person.values, person.is_member, person.is_flagged):
            status = "updated"
        return status

    def audience(self, opted_out: set[str]) -> tuple[dict[str, Person], Counter[str]]:
        """Who should get a mailing to all, by address, and how many are left out for which reason."""
        flagged = {p.email for p in self.people if p.is_flagged}
        recipients: dict[str, Person] = {}
        left_out: Counter[str] = Counter()
        for person in self.people:
            if person.email in opted_out:
                left_out["unsubscribed"] += 1
            elif person.email in flagged:
                left_out["remote_flag"] += 1
            elif person.email in recipients:
                left_out["duplicate_address"] += 1
            else:
                recipients[person.email] = person
        return recipients, left_out
