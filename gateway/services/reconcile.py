"""Do an AMS and we say the same of everybody and of every list, and where not, why? Reads only (ID-65, ID-69)"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace

from gateway.bridges.port import Bridge, MemberStream, Outage, Refused, RemoteMember
from gateway.db.queries import accounts, remotegroups, syncruns
from gateway.db.queries import reconcile as queries
from gateway.db.queries.remotegroups import DynamicInterest
from gateway.db.queries.staging import Stage, StagedRow
from gateway.db.unit import Unit
from gateway.domain import reconcile as rules
from gateway.domain import sync
from gateway.domain.accounts import Actor
from gateway.domain.batch import AddressRules, read_identity
from gateway.domain.explaining import day
from gateway.domain.integration import IntegrationView
from gateway.domain.merge import GROUPS, NATIVE
from gateway.domain.reconcile import Difference, LastRuns, ListReport, ListSum, ReconcileReport, Sums, There
from gateway.domain.records import Problem, SubscriberRecord
from gateway.domain.resolution import Identity
from gateway.domain.switching import is_one_to_many
from gateway.errors import GatewayError
from gateway.services import integrations, syncrows
from gateway.services.erased import withheld
from gateway.services.gateway import Gateway
from gateway.services.importcontext import reading_rules
from gateway.services.syncrows import CHUNK_ROWS

Tell = Callable[[str, Difference], None]
"""Takes the name of a list and something that differs in it."""

MAX_NAMED = 1000
"""So many people one answer names."""

MEMBERS = "members"
"""How the list of everybody is called."""


@dataclass(slots=True)
class _Work:
    """One comparison in work. ``interests``: id -> name, of the brand."""

    gateway: Gateway
    actor: Actor
    integration: IntegrationView
    source_id: int
    reading: AddressRules
    runs: LastRuns
    interests: dict[int, str]
    one_to_many: bool
    tell: Tell | None

    @property
    def integration_id(self) -> int:
        """The integration that is compared."""
        return self.integration.integration_id


@dataclass(slots=True)
class _Findings:
    """What differs in one list."""

    work: _Work
    name: str
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, found: Difference) -> None:
        """Counts a difference and tells of it."""
        self.counts[found.kind, found.reason] += 1
        if self.work.tell is not None:
            self.work.tell(self.name, found)


def reconcile(gateway: Gateway, actor: Actor, integration: str, *, only: str | None = None,
              tell: Tell | None = None) -> ReconcileReport:
    """Compares what the AMS lists now with what is stored: everybody, each list that it names, each dynamic group.

    The system's side is read into a file first. Counts and hashes of both sides come first; only buckets that differ
    are looked at person by person, and ``tell`` is given each difference as it is found. So memory is flat, and equal
    sides cost one reading of each. ``only``: one list, by the interest's name, or ``members`` for everybody. Nothing is
    changed on either side, and no lease is taken: what changes meanwhile shows as a difference.

    Raises ``NOT_ALLOWED`` without the right ``report``, ``NOT_FOUND`` (integration, list), ``STATE_CONFLICT`` for an
    integration without a bridge, one that lists changes only or nobody at all, ``UNAVAILABLE`` when the system is away
    or breaks off.
    """
    actor.require("report")
    with gateway.reading(actor) as unit:
        work = _work(gateway, unit, integration, tell)
        groups = remotegroups.of_integration(unit.connection, unit.brand_id, work.integration_id)
        resolved = remotegroups.last_resolved(unit.connection, unit.brand_id, [each.interest_id for each in groups])
        began_at = unit.now
    chosen = groups if only is None else [each for each in groups if each.name == only]
    lists: list[ListReport] = []
    with closing(integrations.bridge(gateway, work.integration)) as bridge:
        try:
            if only is None or not chosen:
                lists += _everybody(work, bridge, only)
            for group in chosen:
                at = resolved.get(group.interest_id)
                lists.append(_group(work, bridge, group, replace(work.runs, state=sync.SUCCESS if at else None, at=at)))
        except Outage as outage:
            raise GatewayError("UNAVAILABLE", f"The system could not be read to its end: {outage}",
                               field="integration") from None
        except Refused as refused:
            raise GatewayError("STATE_CONFLICT", f"The system does not say: {refused}", field="integration") from None
    return ReconcileReport(integration, tuple(lists), began_at, gateway.clock())


def with_names(gateway: Gateway, actor: Actor, integration: str, *, only: str | None = None,
               names: bool = False) -> tuple[ReconcileReport, list[tuple[str, Difference]], bool]:
    """As :func:`reconcile`, with the first ``MAX_NAMED`` differences as (list, difference), and whether these are all;
    without ``names`` none is named."""
    named: list[tuple[str, Difference]] = []
    report = reconcile(gateway, actor, integration, only=only, tell=lambda name, each: named.append((name, each))
                       if names and len(named) < MAX_NAMED else None)
    return report, named, sum(sum(each.counts.values()) for each in report.lists) == len(named)


def _work(gateway: Gateway, unit: Unit, name: str, tell: Tell | None) -> _Work:
    found = integrations.get_by_name(unit, name)
    connection, brand_id, integration_id = unit.connection, unit.brand_id, found.integration_id
    last = syncruns.newest(connection, brand_id, integration_id, sync.ENDED)
    full = syncruns.newest(connection, brand_id, integration_id, (sync.SUCCESS,), full=True)
    runs = LastRuns(full_at=None if full is None else full.started_at) if last is None else LastRuns(
        last.state, last.started_at, "", None if full is None else full.started_at)
    settings = accounts.brand_settings(connection, brand_id)
    return _Work(gateway, unit.actor, found, queries.source_of(connection, brand_id, integration_id),
                 reading_rules(settings), runs, queries.interest_names(connection, brand_id), is_one_to_many(settings),
                 tell)


def _everybody(work: _Work, bridge: Bridge, only: str | None) -> list[ListReport]:
    """Everybody and the lists that their rows name."""
    with closing(Stage(work.gateway.settings.spool_dir)) as stage:
        _read(work, bridge.changed_since(None), stage, lambda member: member)
        if not stage.read_count():
            raise GatewayError("STATE_CONFLICT", "The system lists nobody now, so there is nothing to compare. Of a "
                                                 "folder, put a complete export into it.", field="integration")
        reports = [] if only not in (None, MEMBERS) else [_people(work, stage)]
        if only == MEMBERS:
            return reports
        if work.one_to_many:
            _join_at_addresses(work, stage)
        lists = _lists(work, stage, NATIVE, None, work.runs.pending(), only)
    if only is not None and not lists:
        raise GatewayError("NOT_FOUND", f"Neither the system nor we have a list '{only}' of this integration.",
                           field="list")
    return reports + lists


def _group(work: _Work, bridge: Bridge, group: DynamicInterest, runs: LastRuns) -> ListReport:
    """One dynamic interest. Its group is resolved before every mailing; till then it may differ. One of which the
    system does not tell any more differs as a whole, and keeps nobody from seeing the rest."""
    at = "never" if runs.at is None else f"at {day(runs.at)}"
    with closing(Stage(work.gateway.settings.spool_dir)) as stage:
        try:
            _read(work, bridge.group_members(group.group_id), stage, lambda member: RemoteMember(
                member.remote_id, member.email, member.do_not_email, () if member.deleted else (group.name,),
                member.deleted, member.problem))
        except Refused as refused:
            found = _Findings(work, group.name)
            found.add(rules.not_told(group.group_id, str(refused)))
            here = _sums_here(work, GROUPS, [group.interest_id]).get(group.interest_id, ListSum())
            return ListReport(group.name, rules.GROUP, 0, here.count, 0, rules.count(found.counts),
                              f"Defined in the AMS; resolved last {at}.")
        pending = f"Resolved last {at}; it is resolved again before the next mailing to it."
        (report,) = _lists(work, stage, GROUPS, group.interest_id, pending, group.name)
    return replace(report, subject=rules.GROUP, note=f"Defined in the AMS; resolved last {at}.")


def _read(work: _Work, stream: MemberStream, stage: Stage, change: Callable[[RemoteMember], RemoteMember]) -> None:
    """Stages all that the system lists; raises ``STATE_CONFLICT`` unless that is everybody."""
    with closing(stream):
        if not stream.lists_everybody:
            raise GatewayError("STATE_CONFLICT", "The system lists changes only; without everybody there is nothing to "
                                                 "compare with.", field="integration")
        chunk: list[StagedRow] = []
        for row in syncrows.staged(map(change, stream)):
            chunk.append(row)
            if len(chunk) == CHUNK_ROWS:
                stage.add(chunk)
                chunk.clear()
        stage.add(chunk)


def _people(work: _Work, stage: Stage) -> ListReport:
    """Who is there, at which address, with which flag."""
    found = _Findings(work, MEMBERS)
    dirty, there_count, here_count = _differing(work, stage, found)
    if dirty:
        _name_listed(work, stage, dirty, found)
        _name_unlisted(work, stage, dirty, found)
    return ListReport(MEMBERS, rules.EVERYBODY, there_count, here_count, 0, rules.count(found.counts))


def _differing(work: _Work, stage: Stage, found: _Findings) -> tuple[frozenset[int], int, int]:
    """The buckets in which the sides are not equal, and how many people each has."""
    there, here, without_flag = Sums(), Sums(), Sums()
    there_count = here_count = 0
    says_flag = False
    for rows in stage.chunks(CHUNK_ROWS):
        for row, person in zip(rows, _read_rows(work, rows), strict=True):
            there_count += not person.deleted
            if row.key is None:
                found.add(rules.without_remote_id(person))
                continue
            bucket = rules.bucket_of(row.key)
            if person.problem is not None or person.conflicting or person.deleted or person.email is None \
                    or person.erased or person.corrected_from is not None:
                there.spoil(bucket)
                continue
            says_flag = says_flag or person.flag is not None
            there.add(bucket, rules.mark(row.key, person.email, person.flag))
    for page in _links(work):
        here_count += len(page)
        for link in page:
            bucket = rules.bucket_of(link.remote_id)
            here.add(bucket, rules.mark(link.remote_id, link.here.email, link.here.flag))
            without_flag.add(bucket, rules.mark(link.remote_id, link.here.email, None))
    return there.differing(here if says_flag else without_flag), there_count, here_count


def _name_listed(work: _Work, stage: Stage, dirty: frozenset[int], found: _Findings) -> None:
    """What differs about people whom the system lists."""
    for rows in stage.chunks(CHUNK_ROWS):
        chosen = [row for row in rows if row.key is not None and rules.bucket_of(row.key) in dirty]
        if not chosen:
            continue
        keys = [str(row.key) for row in chosen]
        with work.gateway.reading(work.actor) as unit:
            known = queries.keys(unit.connection, unit.brand_id, work.integration_id, keys)
            waiting = queries.waiting(unit.connection, unit.brand_id, work.integration_id, keys)
        for key, person in zip(keys, _read_rows(work, chosen), strict=True):
            for each in rules.compare(person, known.get(key), waiting.get(key, {}), work.runs):
                found.add(each)


def _name_unlisted(work: _Work, stage: Stage, dirty: frozenset[int], found: _Findings) -> None:
    """Links of which the system does not speak any more."""
    for page in _links(work):
        chosen = {link.remote_id: link.here for link in page if rules.bucket_of(link.remote_id) in dirty}
        for remote_id in stage.absent(list(chosen)):
            found.add(rules.not_listed(remote_id, chosen[remote_id], work.runs))


def _lists(work: _Work, stage: Stage, channel: str, interest_id: int | None, pending: str,
           only: str | None) -> list[ListReport]:
    """Every list that the rows name, and every one that this channel has people in here.

    ``interest_id``: the one that is compared; ``only``: by its name. A system that does not say who is in which list
    has none.
    """
    there = _sums_there(stage, only)
    if there is None:
        return []
    ids = {name: number for number, name in work.interests.items()} if interest_id is None else {
        str(only): interest_id}
    here = _sums_here(work, channel, None if only is None else [number for name, number in ids.items() if name == only])
    if interest_id is not None:
        there.setdefault(str(only), ListSum())
    names = sorted(there.keys() | {work.interests[number] for number in here if number in work.interests})
    nothing = ListSum()
    sides = {name: (there.get(name, nothing), here.get(ids.get(name, 0), nothing)) for name in names}
    differing = {name for name, (one, other) in sides.items() if one != other}
    findings = {name: _Findings(work, name) for name in names}
    if differing:
        _name_members(work, stage, channel, {name: ids.get(name) for name in differing}, pending, findings)
    with work.gateway.reading(work.actor) as unit:
        others = queries.count_others(unit.connection, unit.brand_id, work.source_id, channel,
                                      [ids[name] for name in names if name in ids])
    return [ListReport(name, rules.LISTED, one.count, other.count, others.get(ids.get(name, 0), 0),
                       rules.count(findings[name].counts)) for name, (one, other) in sides.items()]


def _join_at_addresses(work: _Work, stage: Stage) -> None:
    """Where a brand has one record per address, it is in the lists of all its remote IDs (ID-4)."""
    for rows in stage.chunks(CHUNK_ROWS):
        stage.add_at_addresses((row.seq, person.email, ()) for row, person in zip(
            rows, _read_rows(work, rows), strict=True) if row.interests is not None and person.email is not None
            and person.problem is None and not person.deleted and not person.conflicting)


def _sums_there(stage: Stage, only: str | None) -> dict[str, ListSum] | None:
    """The lists that the rows name; None when no row says anything of lists."""
    found: dict[str, ListSum] = {}
    says = False
    for rows in stage.chunks(CHUNK_ROWS):
        for row in rows:
            if row.interests is None:
                continue
            says = True
            for name in _named(row, only):
                found.setdefault(name, ListSum()).add(rules.mark(row.key))
    return found if says or not stage.read_count() else None


def _named(row: StagedRow, only: str | None) -> Iterable[str]:
    """The lists of a row that count: of a person who can be known and is not deleted."""
    if row.key is None or row.deleted or row.differs:
        return ()
    names = {name.strip() for name in row.interests or ()} - {""}
    return names if only is None else names & {only}


def _sums_here(work: _Work, channel: str, interest_ids: list[int] | None) -> dict[int, ListSum]:
    found: dict[int, ListSum] = {}
    with work.gateway.reading(work.actor) as unit:
        for page in queries.members(unit.connection, unit.brand_id, work.integration_id, work.source_id, channel,
                                    interest_ids):
            for interest_id, remote_id, _ in page:
                found.setdefault(interest_id, ListSum()).add(rules.mark(remote_id))
    return found


def _name_members(work: _Work, stage: Stage, channel: str, differing: Mapping[str, int | None], pending: str,
                  findings: Mapping[str, _Findings]) -> None:
    """Who is in one of these lists on one side only."""
    ids = {number for number in differing.values() if number is not None}
    for rows in stage.chunks(CHUNK_ROWS):
        chosen = [row for row in rows if row.key is not None and row.interests is not None]
        keys = [str(row.key) for row in chosen]
        with work.gateway.reading(work.actor) as unit:
            connection, brand_id = unit.connection, unit.brand_id
            known = {key: here for key, here in queries.keys(connection, brand_id, work.integration_id, keys).items()
                     if here.ended_at is None}
            people = [here.subscriber_id for here in known.values()]
            inside = queries.inside(connection, brand_id, people, work.source_id, channel, ids)
            left = queries.left(connection, brand_id, people, ids)
            waiting = queries.waiting(connection, brand_id, work.integration_id, list(known))
        for row, key in zip(chosen, keys, strict=True):
            names, person = set(_named(row, None)), known.get(key)
            number = None if person is None else person.subscriber_id
            for name, interest_id in differing.items():
                is_in = (number, interest_id) in inside
                if name in names and not is_in:
                    findings[name].add(rules.member_there(
                        key, number, name, left=(number, interest_id) in left, is_interest=interest_id is not None,
                        waiting=waiting.get(key, {}), pending=pending))
                elif is_in and name not in names and number is not None and not row.differs:
                    findings[name].add(rules.member_here(key, number, is_listed=True, pending=pending, name=name,
                                                         waiting=waiting.get(key, {})))
    _name_unlisted_members(work, stage, channel, ids, findings, pending)


def _name_unlisted_members(work: _Work, stage: Stage, channel: str, ids: set[int],
                           findings: Mapping[str, _Findings], pending: str) -> None:
    """Who is in one of these lists here and is not listed at all."""
    with work.gateway.reading(work.actor) as unit:
        for page in queries.members(unit.connection, unit.brand_id, work.integration_id, work.source_id, channel, ids):
            absent = set(stage.absent([remote_id for _, remote_id, _ in page]))
            listed = {(interest_id, number) for interest_id, remote_id, number in page if remote_id not in absent}
            for interest_id, remote_id, number in page:
                if remote_id in absent and (interest_id, number) not in listed:
                    name = work.interests[interest_id]
                    findings[name].add(rules.member_here(remote_id, number, is_listed=channel == GROUPS,
                                                         pending=pending, waiting={}, name=name))


def _links(work: _Work) -> Iterator[list[queries.Link]]:
    with work.gateway.reading(work.actor) as unit:
        yield from queries.links(unit.connection, unit.brand_id, work.integration_id)


def _read_rows(work: _Work, rows: list[StagedRow]) -> list[There]:
    """The rows as the import would read them; whoever was erased is marked (ID-35)."""
    read = [read_identity(SubscriberRecord(row.remote_id, row.email, problem=None if row.problem is None else Problem(
        *row.problem)), work.reading) for row in rows]
    with work.gateway.reading(work.actor) as unit:
        kept = withheld(unit, work.integration_id, read)
    return [_there(row, who, erased=now is not who) for row, who, now in zip(rows, read, kept, strict=True)]


def _there(row: StagedRow, who: Identity | Problem, *, erased: bool) -> There:
    if isinstance(who, Problem):
        return There(row.key or row.remote_id, row.email, row.flag, row.deleted, row.differs, problem=who.message)
    return There(row.key, who.email, row.flag, row.deleted, row.differs, erased, who.spelled)
