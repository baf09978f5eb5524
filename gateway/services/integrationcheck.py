"""What does a foreign system answer right now, and which key of its bridge's configuration must be mended?"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TypeVar

from gateway.bridges import registry
from gateway.bridges.port import Bridge, Description, Outage, Refused, RemoteGroup
from gateway.db.queries import accounts as accounts_queries
from gateway.db.queries import fields as field_queries
from gateway.db.queries.staging import StagedRow
from gateway.db.unit import Unit
from gateway.domain.accounts import system_actor
from gateway.domain.batch import AddressRules, read_identity
from gateway.domain.fields import STANDARD_FIELDS, fold
from gateway.domain.integration import IntegrationView
from gateway.domain.lookround import Finding, GroupSeen, Look, MembersSeen, SeenRow
from gateway.domain.records import Problem, SubscriberRecord
from gateway.domain.writeback import FIELD_CHANGED, KINDS
from gateway.errors import GatewayError
from gateway.services import integrations, syncrows, webhooks
from gateway.services.gateway import Gateway
from gateway.services.importcontext import reading_rules

ROWS = 1000
TIMEOUT_S = 10.0
_ASKED = 3
_WHERE = {"sql": "url", "http": "url", "soap": "wsdl", "folder": "folder"}
"""The key of a configuration that says where the system is."""

_Found = TypeVar("_Found")


@dataclass(slots=True)
class _Looking:
    """A look that is under way."""

    bridge: Bridge
    integration: IntegrationView
    rules: AddressRules
    known_fields: frozenset[str]
    members: MembersSeen = field(default_factory=MembersSeen)
    findings: list[Finding] = field(default_factory=list)

    def note(self, key: str, text: str, *, is_problem: bool = True) -> None:
        """Keeps a finding, once."""
        found = Finding(key, text, is_problem)
        if found not in self.findings:
            self.findings.append(found)

    @contextmanager
    def about(self, key: str) -> Iterator[None]:
        """Turns what the system refuses, and that it is away, into findings about this key."""
        try:
            yield
        except Outage as away:
            where = _WHERE.get(self.integration.kind, "the address")
            self.note(key, f"{away} Check that the system runs, that {where} and the credentials are right, and that "
                           "this machine may reach it.")
        except Refused as refused:
            self.note(key, str(refused))


def check(gateway: Gateway, brand_id: int, integration_id: int) -> Look:
    """Asks the system for everything that a bridge can ask for, a little of each, and changes nothing anywhere.

    Reads up to :data:`ROWS` members, asks for three of them by remote ID, for the values of their fields, for the
    groups and the first people of one of them. What goes wrong is a finding, not an error. May be repeated at any time.

    Raises ``NOT_FOUND``, and ``STATE_CONFLICT`` for an integration without a bridge.
    """
    with gateway.reading(system_actor(brand_id)) as unit:
        integration = integrations.get(unit, integration_id)
        rules = reading_rules(accounts_queries.brand_settings(unit.connection, brand_id))
        known = frozenset(field_queries.of_brand(unit.connection, brand_id)) | {fold(name) for name in STANDARD_FIELDS}
    try:
        bridge = integrations.bridge(gateway, integration)
    except GatewayError as error:
        if error.code == "STATE_CONFLICT":
            raise
        finding = Finding(error.field or "config", error.message)
        return Look(integration.name, integration.kind, False, MembersSeen(), findings=(finding,))
    with closing(bridge):
        with gateway.reading(system_actor(brand_id)) as unit:
            offered = offer(unit, integration)
        return _look(_Looking(bridge, integration, rules, known), offered)


def _look(work: _Looking, offered: Offer) -> Look:
    bridge, integration = work.bridge, work.integration
    reachable = _try(work, _WHERE.get(integration.kind, "config"), bridge.check) is not _FAILED
    described: Description | object = Description()
    told: dict[str, int] = {}
    ids: list[str] = []
    if reachable:
        _see_members(work)
        ids = [remote_id for remote_id, _email in work.members.samples]
        _see_single(work, ids)
        described = _try(work, "groups", bridge.describe)
        told = _see_values(work, ids)
    groups = described.groups if isinstance(described, Description) else ()
    _see_group(work, groups)
    if offered.problem is not None:
        work.note(offered.way, offered.problem)
    written = getattr(bridge, "written_fields", None) if offered.way == "bridge" else None
    return Look(
        integration.name, integration.kind, reachable, work.members, tuple(sorted(bridge.fields)),
        tuple(sorted(told.items())), len(ids), tuple(GroupSeen(g.group_id, g.name, g.size) for g in groups),
        offered.kinds, offered.way,
        None if written is None or FIELD_CHANGED not in offered.kinds else tuple(sorted(written)),
        (*work.members.findings(), *work.findings) if reachable else tuple(work.findings))


_FAILED = object()


def _try(work: _Looking, key: str, act: Callable[[], _Found]) -> _Found | object:
    with work.about(key):
        return act()
    return _FAILED


def _see_members(work: _Looking) -> None:
    """The first rows. Sources that are used up, such as files, stay as they are: the stream is never settled."""
    with work.about("members"):
        with closing(work.bridge.changed_since(None)) as stream:
            for row in islice(syncrows.staged(stream), ROWS):
                work.members.add(_seen(row, work.rules))
            work.members.whole = next(stream, None) is None
        says: bool | None = getattr(work.bridge, "gives_changes", None)
        if says is None and (stream.cursor is not None or work.integration.cursor is not None):
            says = True
        work.members.changes = says


def _seen(row: StagedRow, rules: AddressRules) -> SeenRow:
    problem = row.problem[1] if row.problem is not None else None
    if problem is None and not row.deleted:
        read = read_identity(SubscriberRecord(row.key, row.email), rules)
        problem = read.message if isinstance(read, Problem) else None
    return SeenRow(row.key, row.email, row.flag, row.interests, row.deleted, problem)


def _see_single(work: _Looking, ids: list[str]) -> None:
    """Whether single people are found by their remote IDs, as an explanation asks for them (ID-79)."""
    if not ids:
        return
    try:
        found = {member.remote_id for member in work.bridge.members_by_id(ids, TIMEOUT_S)}
    except Refused as refused:
        work.note("members_by_id", f"Explanations cannot ask for single people: {refused}", is_problem=False)
        return
    except Outage as away:
        work.note("members_by_id", f"Single people are not found in time: {away}")
        return
    missing = [each for each in ids if each not in {(remote_id or "").strip() for remote_id in found}]
    if missing:
        work.note("members_by_id", f"{len(missing)} of {len(ids)} listed people are not found by their remote ID. "
                                   "Check that it asks for what members lists as remote_id.")


def _see_values(work: _Looking, ids: list[str]) -> dict[str, int]:
    """Of how many of these people the system tells each field (ID-76)."""
    bridge = work.bridge
    for name in sorted(bridge.fields):
        if fold(name) not in work.known_fields:
            work.note(f"values.fields.{name}", f"The brand has no field '{name}', so nobody asks for it. Make it "
                                               "(gateway field add), or take it out.", is_problem=False)
    told = dict.fromkeys(bridge.fields, 0)
    if not bridge.fields or not ids:
        return told
    with work.about("values"):
        people = bridge.fetch(ids, sorted(bridge.fields), TIMEOUT_S)
        for values in people.values():
            for name in values:
                told[name] = told.get(name, 0) + 1
        if not people:
            work.note("values", "The system tells nothing of any of the people that it lists. Check that it is asked "
                                "by the remote IDs of members, and where they stand in its answer.")
        for name in sorted(name for name, count in told.items() if not count and people):
            work.note(f"values.fields.{name}", f"None of {len(ids)} people has a value. If some should, check where it "
                                               "stands.", is_problem=False)
    return told


def _see_group(work: _Looking, groups: tuple[RemoteGroup, ...]) -> None:
    """The first people of one group, to see that groups can be read."""
    if not groups:
        return
    chosen = next((group for group in groups if group.size), groups[0])
    with work.about("groups.members"), closing(work.bridge.group_members(chosen.group_id)) as stream:
        rows = [_seen(row, work.rules) for row in islice(syncrows.staged(stream), _ASKED)]
        if chosen.size and not rows:
            work.note("groups.members", f"The group '{chosen.name}' should have {chosen.size} members, and lists "
                                        "nobody. Check what it asks for.")
        if rows and all(row.problem for row in rows) and work.members.rows > work.members.rejected:
            work.note("groups.members", f"Members of the group '{chosen.name}' would be rejected: {rows[0].problem}")


def _taken(unit: Unit, integration: IntegrationView, written: Collection[str]) -> tuple[tuple[str, ...], str]:
    """Which writebacks go there, and how (ID-63); ``written``: those that a bridge could write."""
    if integration.pulls:
        return integration.pulls, "pull"
    way = "bridge" if written else "none"
    if integration.has_webhook:
        with closing(webhooks.writer_of(unit, integration)) as hook:
            written, way = hook.writes, "webhook"
    return tuple(kind for kind in KINDS if kind in written), way


# --- what is there, without asking the system ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Offer:
    """What a configuration says without a connection. ``way``: bridge, webhook, pull or none. ``problem``: why it is
    not taken (any more)."""

    kinds: tuple[str, ...] = ()
    way: str = "none"
    fields: tuple[str, ...] = ()
    problem: str | None = None


def offer(unit: Unit, integration: IntegrationView) -> Offer:
    """The writebacks that an integration of the unit's brand takes, and the fields that it can tell; asks nobody."""
    found = Offer()
    try:
        if integration.kind in registry.kinds():
            with closing(integrations.bridge_of(unit, integration)) as bridge:
                found = Offer(tuple(bridge.writes), fields=tuple(sorted(bridge.fields)))
    except GatewayError as error:
        found = Offer(problem=error.message)
    try:
        kinds, way = _taken(unit, integration, found.kinds)
        return replace(found, kinds=kinds, way=way)
    except GatewayError as error:  # the webhook does not open
        return replace(found, kinds=(), way="webhook", problem=error.message)
