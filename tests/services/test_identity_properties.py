"""Do the properties of identity.md section 14 hold for any history, through the services, on both databases?

One test for each property, named by it. Every example is a brand of its own in one database; in half of them
One-to-Many is on.
"""

from __future__ import annotations

import copy
import itertools
import json
from dataclasses import replace
from random import Random

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from gateway.bridges.port import RemoteMember
from gateway.db.models import metadata
from gateway.domain.batch import read_identity
from gateway.domain.identity import resolve
from gateway.domain.records import Identifier, ImportOptions, SubscriberRecord
from gateway.domain.resolution import Identity
from gateway.domain.sync import ROW_CLASSES
from gateway.errors import GatewayError
from gateway.services import erasure, imports, onetomany, plainrows, sync, writebacks
from gateway.services.importpicture import picture
from tests.support.brands import told
from tests.support.histories import (
    AMS,
    HOMES,
    REMOTE_IDS,
    SENDER_NAMES,
    Act,
    Stage,
    any_record,
    batches,
    histories,
    syncs,
)
from tests.support.state import people_of

FEW = settings(max_examples=6, deadline=None, derandomize=True, database=None,
               phases=(Phase.explicit, Phase.generate), suppress_health_check=list(HealthCheck))
"""Few examples, but long ones: each rule that was broken on purpose made its property fail."""
STORED = ("created", "adopted", "updated", "unchanged")
PERSONAL = ("subscriber", "remote_key", "source_values", "membership", "address_status")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def stage(request, tmp_path_factory):
    """One database of each kind for all examples of all properties."""
    folder = tmp_path_factory.mktemp("properties")
    if request.param == "sqlite":
        url = f"sqlite:///{folder}/gateway.db"
    else:
        cluster = request.getfixturevalue("postgres_cluster")
        url = cluster.create("gateway_properties", request.getfixturevalue("postgres_template"))
    with Stage(url, folder) as made, made.bridged():
        yield made
    if request.param == "postgresql":
        cluster.drop("gateway_properties")  # tests are shared out: this process may need it once more


def played(stage, history, one_to_many=False):
    brand_id = stage.opened(one_to_many=one_to_many)
    for act in history:
        stage.play(brand_id, act)
    return brand_id


def personal(stage, brand_id):
    return {name: stage.rows(brand_id, name) for name in PERSONAL}


def sources(stage, brand_id):
    return {row["id"]: f"{row['kind']}:{row['name']}" for row in stage.rows(brand_id, "source")}


def keys(stage, brand_id):
    """(integration id, remote ID) -> row."""
    return {(row["integration_id"], row["remote_id"]): row for row in stage.rows(brand_id, "remote_key")}


@FEW
@given(history=histories(5), batch=batches(), by=st.sampled_from(("api", AMS)), mode=st.booleans())
def test_p1_the_same_record_again_writes_nothing(stage, history, batch, by, mode):
    """ID-P1."""
    brand_id = played(stage, history, mode)
    for record in batch:
        (first,) = stage.push_one_by_one(brand_id, [record], by)
        before = personal(stage, brand_id)
        stage.clock.advance(seconds=1)
        (again,) = stage.push_one_by_one(brand_id, [record], by)
        if first.status in STORED:
            assert (again.status, again.subscriber_id) == ("unchanged", first.subscriber_id)
        else:
            assert again.status == first.status
        assert personal(stage, brand_id) == before


class _Killed(Exception):
    pass


def push_in_chunks(stage, brand_id, batch, chunk, killed_at):
    """The batch as one upload cut into chunks; the worker dies in one before it commits, and the next one goes on."""
    actor, options, outcomes = stage.speaker(brand_id, AMS), ImportOptions(interests=("All",)), []
    with stage.unit(actor) as unit:
        upload_id = imports.open_upload(unit, options)
    for number, start in enumerate(range(0, len(batch), chunk)):
        for dies in (True, False) if number == killed_at else (False,):
            try:
                with stage.unit(actor) as unit:
                    context = imports.prepare(unit, options, upload_id)
                    made = imports.apply_chunk(unit, context, batch[start:start + chunk], start)
                    if dies:
                        raise _Killed
                    outcomes += made
            except _Killed:
                continue
    return outcomes


@FEW
@given(history=histories(5), batch=batches(12), chunk=st.integers(1, 4), killed_at=st.integers(0, 3),
       mode=st.booleans())
def test_p2_neither_chunks_nor_a_kill_change_anything(stage, history, batch, chunk, killed_at, mode):
    """ID-P2."""
    whole, cut = played(stage, history, mode), played(stage, history, mode)
    told_whole = told(push_in_chunks(stage, whole, batch, 1000, None))
    assert told(push_in_chunks(stage, cut, batch, chunk, killed_at)) == told_whole
    assert canonical(stage, whole) == canonical(stage, cut)


def canonical(stage, brand_id):
    with stage.reading(stage.speaker(brand_id)) as unit:
        return people_of(unit)


def wider(chance):
    """A record of a crowd in which not everybody meets everybody."""
    made = any_record(chance)
    place = chance.randrange(4)
    return replace(made, remote_id=made.remote_id and f"{made.remote_id.strip()}{place}",
                   email=made.email and made.email.replace("@example", f"@{place}.example"))


def groups_of(stage, brand_id, batch):
    """For each record the number of its group: whom an address or a key joins, here or in the store, transitively."""
    leader = {}

    def find(name):
        while leader.setdefault(name, name) != name:
            name = leader[name]
        return name

    def join(names):
        for name in names:
            leader[find(name)] = find(names[0])

    people = stage.living(brand_id)
    for (integration_id, remote_id), row in keys(stage, brand_id).items():
        join([("person", row["subscriber_id"]), ("key", integration_id, remote_id)])
    for number, row in people.items():
        join([("person", number), ("address", row["email"])])
    mine = stage.integration(AMS, brand_id=brand_id)
    for number, each in enumerate(batch):
        who = read_identity(each)
        named = [("row", number)]
        if isinstance(who, Identity):
            named += [("key", mine, who.remote_id)] * (who.remote_id is not None)
            named += [("address", who.email)] * (who.email is not None)
        join(named)
    return [find(("row", number)) for number in range(len(batch))]


def interleaved(groups, chance):
    """Places of the records in another order: groups mixed at random, each in its own order."""
    queues, slots = {}, list(groups)
    for place, group in enumerate(groups):
        queues.setdefault(group, []).append(place)
    chance.shuffle(slots)
    return [queues[group].pop(0) for group in slots]


@FEW
@given(seed=st.integers(0, 2**32), mode=st.booleans(), chunk=st.integers(3, 20), plain=st.booleans())
def test_p3_groups_that_share_nothing_may_be_interleaved(stage, monkeypatch_module, seed, mode, chunk, plain):
    """ID-P3: up to the numbering of new ids, in other chunks, and by the short way of plain rows as well."""
    chance = Random(seed)
    made = [SubscriberRecord("0", "zero@example.org", add_interests=("News", "Events"))]  # known by name in any order
    history = [Act("push", name, [*made, *(wider(chance) for _ in range(6))]) for name in SENDER_NAMES]
    batch = [wider(chance) for _ in range(24)]
    one, other = played(stage, history, mode), played(stage, history, mode)
    groups = groups_of(stage, one, batch)
    assert 2 < len(set(groups)) < len(batch)
    order = interleaved(groups, chance)
    straight = push_in_chunks(stage, one, batch, 1000, None)
    monkeypatch_module.setattr(plainrows, "MIN_ROWS", 1 if plain else 50)
    mixed = push_in_chunks(stage, other, [batch[place] for place in order], chunk, None)
    told_of = {place: (o.status, o.rule, o.problem, o.warnings) for place, o in zip(order, mixed, strict=True)}
    assert [told_of[at] for at in range(len(batch))] == [(o.status, o.rule, o.problem, o.warnings) for o in straight]
    assert canonical(stage, one) == canonical(stage, other)


@pytest.fixture(scope="module")
def monkeypatch_module():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@FEW
@given(history=histories(20), mode=st.booleans())
def test_p4_nothing_is_deleted_and_first_sources_stay(stage, history, mode):
    """ID-P4."""
    brand_id, before = stage.opened(one_to_many=mode), {name: [] for name in (*PERSONAL, "event", "decision")}
    for act in history:
        stage.play(brand_id, act)
        after = {name: stage.rows(brand_id, name) for name in before}
        for name, rows in before.items():
            identifying = [column.name for column in metadata.tables[name].primary_key]
            still = {tuple(row[column] for column in identifying): row for row in after[name]}
            for row in rows:
                kept = still[tuple(row[column] for column in identifying)]
                assert kept.get("first_source_id") == row.get("first_source_id")
                assert kept.get("created_at") == row.get("created_at")
        before = after


SAME_HOLDER = {"ID-10", "ID-11", "ID-20", "ID-24", "ID-32", "ID-33"}
SAME_ADDRESS = {"ID-12", "ID-15", "ID-21", "ID-23"}


@FEW
@given(history=histories(6), batch=batches(12), mode=st.booleans())
def test_p5_the_subscriber_keeps_its_id(stage, history, batch, mode):
    """ID-P5: adoption, overwritten address, rename, orphan and revival."""
    brand_id = played(stage, history, mode)
    integration_id = stage.integration(AMS, brand_id=brand_id)
    for record in batch:
        people, held = stage.living(brand_id), keys(stage, brand_id)
        (outcome,) = stage.push_one_by_one(brand_id, [record], AMS)
        if outcome.status in STORED and outcome.rule in SAME_HOLDER and outcome.subscriber_id is not None:
            assert held[integration_id, outcome.remote_id]["subscriber_id"] == outcome.subscriber_id
        if outcome.status in STORED and outcome.rule in SAME_ADDRESS:
            assert people[outcome.subscriber_id]["email"] == outcome.email
        assert set(held) <= set(keys(stage, brand_id))


@FEW
@given(history=histories(20), mode=st.booleans())
def test_p6_keys_and_addresses_are_unique(stage, history, mode):
    """ID-P6."""
    brand_id = stage.opened(one_to_many=mode)
    for act in history:
        stage.play(brand_id, act)
        people = stage.living(brand_id)
        keyed = {row["subscriber_id"] for row in keys(stage, brand_id).values()}
        assert keyed <= set(people)
        emails = [row["email"] for row in people.values()]
        for row in people.values():
            if mode or row["keyless"] or row["id"] not in keyed:
                assert emails.count(row["email"]) == 1
            assert row["is_main"] == mode


@FEW
@given(history=histories(30, turbulent=True), mode=st.booleans())
def test_p7_no_import_reactivates_anybody(stage, history, mode):
    """ID-P7: addresses, and people through every move, merge, undo and switch of the mode; a main that a link makes
    takes the opt-out of the one it comes from."""
    brand_id, addresses, people, logged = stage.opened(one_to_many=mode), set(), set(), 0
    for act in history:
        stage.play(brand_id, act)
        living = stage.living(brand_id)
        if act.kind == "unsubscribe":
            addresses.add(act.given)
            people |= {number for number, row in living.items() if row["email"] == act.given}
        for decision in stage.rows(brand_id, "decision")[logged:]:
            logged += 1
            if (decision["rule"], decision["status"]) == ("ID-25", "created"):
                old, new = map(int, json.loads(decision["changes"])["subscriber"])
                people |= {new} if old in people else set()
        people |= {row["merged_into"] for row in stage.rows(brand_id, "subscriber")
                   if row["id"] in people and row["merged_into"] is not None}
        assert all(living[number]["opted_out_at"] is not None for number in people & set(living))
        stopped = {row["email"] for row in stage.rows(brand_id, "address_status") if row["opted_out_at"] is not None}
        assert addresses <= stopped
        if act.kind in ("sync", "switch", "undo") or act is history[-1]:
            for number, email, reason in stage.frozen(brand_id):
                assert reason is not None or (number not in people and email not in addresses)


@FEW
@given(history=histories(20, turbulent=True), mode=st.booleans())
def test_p8_a_flag_is_its_own_integrations(stage, history, mode):
    """ID-P8: only its data changes it, and only to what it says; while it stands the address gets no mail."""
    brand_id = stage.opened(one_to_many=mode)
    integrations = {name: stage.integration(name, brand_id=brand_id) for name in SENDER_NAMES}
    for act in history:
        steps = [replace(act, given=[each]) for each in act.given] if act.kind == "push" else [act]
        for step in steps:
            before = keys(stage, brand_id)
            stage.play(brand_id, step)
            after = keys(stage, brand_id)
            for name, row in before.items():
                if after[name]["do_not_email"] != row["do_not_email"]:
                    assert name[0] == integrations[step.by]
                    assert after[name]["do_not_email"] in said_of(name[1], step)
        flagged = flagged_addresses(stage, brand_id)
        if act.kind in ("sync", "switch", "undo") or act is history[-1]:
            assert not flagged & {email for _, email, reason in stage.frozen(brand_id) if reason is None}


def said_of(remote_id, step):
    """The flags that a push or a sync gives for this remote ID, or for the address of its record."""
    return {each.do_not_email for each in step.given if (each.remote_id or "").strip() in ("", remote_id)} - {None}


def flagged_addresses(stage, brand_id):
    people = stage.living(brand_id)
    return {people[row["subscriber_id"]]["email"] for row in keys(stage, brand_id).values() if row["do_not_email"]}


@FEW
@given(history=histories(20), mode=st.booleans())
def test_p9_an_audience_holds_an_address_once_and_adds_up(stage, history, mode):
    """ID-P9: candidates = recipients + left out is held by ``frozen``; everybody in an interest has one row."""
    brand_id = played(stage, history, mode)
    found = stage.frozen(brand_id)
    sent = [email for _, email, reason in found if reason is None]
    assert len(sent) == len(set(sent))
    assert len({number for number, _, _ in found}) == len(found)
    people = stage.living(brand_id)
    inside = {row["subscriber_id"] for row in stage.rows(brand_id, "membership") if row["until"] is None}
    assert {number for number, _, _ in found} == inside & set(people)


@FEW
@given(history=histories(15), batch=batches(12), mode=st.booleans())
def test_p10_a_push_leaves_the_others_alone(stage, history, batch, mode):
    """ID-P10: values and memberships of other sources, and local ones; but for what a merge brings to its survivor."""
    brand_id = played(stage, history, mode)
    with stage.unit(stage.speaker(brand_id)) as unit:
        t = metadata.tables["source"].c
        local = unit.connection.scalar(sa.select(t.id).where(t.brand_id == brand_id, t.kind == "local"))
        for number in stage_ids(unit, brand_id):
            unit.connection.execute(sa.insert(metadata.tables["source_values"]).values(
                brand_id=brand_id, subscriber_id=number, source_id=local, document='{"City":"Ely"}', changed="{}",
                changed_at=unit.now))
    before = others(stage, brand_id)
    outcomes = stage.push_one_by_one(brand_id, batch, AMS)
    merged = {int(number) for o in outcomes for number in o.changes.get("merged", ())}
    after = others(stage, brand_id)
    assert {name: row for name, row in before.items() if name[1] not in merged} == {
        name: row for name, row in after.items() if name[1] not in merged}


def stage_ids(unit, brand_id):
    t = metadata.tables["subscriber"].c
    return list(unit.connection.scalars(sa.select(t.id).where(t.brand_id == brand_id, t.merged_into.is_(None))))


def others(stage, brand_id):
    """Rows of values and memberships that are not of the AMS, by table, subscriber and the rest of their key."""
    own = {number for number, name in sources(stage, brand_id).items() if name == f"integration:{AMS}"}
    found = {}
    for table in ("source_values", "membership"):
        for row in stage.rows(brand_id, table):
            if row["source_id"] not in own:
                found[table, row["subscriber_id"], row["source_id"], row.get("id")] = row
    return found


@FEW
@given(history=histories(5), members=syncs(), breaks_after=st.integers(0, 3), left=st.integers(0, 40))
def test_p11_what_is_not_complete_ends_no_link(stage, history, members, breaks_after, left):
    """ID-P11: a source that breaks off, an empty answer, a tripped brake."""
    brand_id = played(stage, history)
    crowd = [RemoteMember(f"m{n}", f"m{n}@example.org", None, ("All",), False) for n in range(40)]
    listed = [member for member in members.given if member.email is not None and not member.deleted]
    stage.sync(brand_id, [*listed, *crowd], release=True)
    live = ended(stage, brand_id, False)
    assert stage.sync(brand_id, listed + crowd, breaks_after=breaks_after).state in ("partial", "failed")
    assert ended(stage, brand_id, False) == live
    assert stage.sync(brand_id, []).state == "skipped"
    assert ended(stage, brand_id, False) == live
    report = stage.sync(brand_id, listed + crowd[:left])
    gone = 40 - left
    held = gone > 10 and gone > 0.1 * len(live)
    assume(listed or left)
    assert report.state == ("held" if held else "success")
    assert len(ended(stage, brand_id, False)) == len(live) - (0 if held else gone)


def ended(stage, brand_id, wanted):
    integration_id = stage.integration(AMS, brand_id=brand_id)
    return {name for name, row in keys(stage, brand_id).items()
            if name[0] == integration_id and (row["ended_at"] is not None) == wanted}


@FEW
@given(history=histories(12), act=syncs(), in_place=st.integers(0, 9).map(bool))
def test_p12_preview_and_run_give_the_same_numbers(stage, history, act, in_place):
    """ID-P12: of a sync, in place and on a copy, and of switching One-to-Many on (ID-73, ID-74)."""
    brand_id = played(stage, history)
    before = personal(stage, brand_id)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sync, "CHUNK_ROWS", sync.CHUNK_ROWS if in_place else 1)
        preview = stage.sync(brand_id, act.given, preview=True)
    assert personal(stage, brand_id) == before
    run = stage.sync(brand_id, act.given)
    assert (run.state, run.counters) == (preview.state, preview.counters)
    assert sum(run.counters[name] for name in ROW_CLASSES) == run.counters["read"]

    admin = stage.actor("api", brand_id=brand_id, role="admin")
    with stage.reading(admin) as unit:
        preview = onetomany.preview(unit)
    done = onetomany.switch_on(stage.gateway, admin, preview.fingerprint)
    assert dict(done.counters) == dict(preview.counters)
    emails = [row["email"] for row in stage.living(brand_id).values() if row["email"] is not None]
    assert len(emails) == len(set(emails)) == preview.counters["mains"]


@FEW
@given(history=histories(10), mode=st.booleans(), killed=st.integers(1, 4))
def test_p13_one_writeback_per_event_and_key_in_order(stage, history, mode, killed):
    """ID-P13: none is lost by a kill; rows of one key leave in order."""
    brand_id = stage.opened(one_to_many=mode)
    system, due = stage.systems[str(brand_id)], set()
    integration_id = stage.integration(AMS, brand_id=brand_id)
    for act in history:
        live = {(row["id"], row["subscriber_id"]) for row in keys(stage, brand_id).values()
                if row["integration_id"] == integration_id and row["ended_at"] is None}
        people = stage.living(brand_id)
        old = {row["id"] for row in stage.rows(brand_id, "event")}
        stage.play(brand_id, act)
        for event in stage.rows(brand_id, "event"):
            if event["id"] not in old and event["type"] == "unsubscribed":
                due |= {(event["id"], key) for key, number in live if people[number]["email"] == event["address"]}
    rows = [row for row in stage.rows(brand_id, "writeback") if row["kind"] == "unsubscribe"]
    assert sorted((row["event_id"], row["remote_key_id"]) for row in rows) == sorted(due)
    system.people = [RemoteMember(number, "x@example.org", None, None, False) for number in REMOTE_IDS]
    work_it_off(stage, brand_id, integration_id, killed)
    for _, written in itertools.groupby(sorted(system.written, key=lambda item: item.remote_id),
                                        key=lambda item: item.remote_id):
        ids = [item.writeback_id for item in written]
        assert ids == sorted(ids)
    assert {item.writeback_id for item in system.written} == {row["id"] for row in stage.rows(brand_id, "writeback")}


def work_it_off(stage, brand_id, integration_id, killed):
    """Runs the worker to the end; it dies once while a row is in its hands."""
    system = stage.systems[str(brand_id)]
    write, calls = system.write_back, itertools.count(1)

    def dies(item):
        if next(calls) == killed:
            raise _Killed
        write(item)

    system.write_back = dies
    try:
        writebacks.run_writebacks(stage.gateway, brand_id, integration_id)
    except _Killed:
        stage.clock.advance(minutes=10)
        writebacks.run_writebacks(stage.gateway, brand_id, integration_id)
    finally:
        del system.write_back


@FEW
@given(history=histories(8), batch=batches(12), mode=st.booleans())
def test_p14_resolving_again_gives_the_rule_of_the_outcome(stage, history, batch, mode):
    """ID-P14: the picture is recorded before each record; the log has exactly that rule."""
    brand_id = played(stage, history, mode)
    for record in batch:
        expected = recorded(stage, brand_id, record)
        (outcome,) = stage.push_one_by_one(brand_id, [record], AMS)
        who, directory = expected
        rule = resolve(who, directory).rule if isinstance(who, Identity) else outcome.rule
        assert outcome.rule == rule and outcome.rule is not None
        if outcome.status != "unchanged":
            last = stage.rows(brand_id, "decision")[-1]
            assert (last["rule"], last["status"]) == (rule, outcome.status)


def recorded(stage, brand_id, record):
    """The identity of the record and the picture of now, kept for later."""
    with stage.reading(stage.speaker(brand_id, AMS)) as unit:
        who = read_identity(record)
        context = imports.ImportContext(
            ImportOptions(), 0, stage_integration(unit, brand_id), 0, 0, {}, {}, "warn", None, True)
        context.one_to_many = unit.connection.scalar(sa.select(metadata.tables["brand"].c.settings).where(
            metadata.tables["brand"].c.id == brand_id)).get("identityMode") == "one_to_many"
        found = picture(unit, context, [record] if isinstance(who, Identity) else [], [who])
    found.next_id = None
    return who, copy.deepcopy(found)


def stage_integration(unit, brand_id):
    t = metadata.tables["integration"].c
    return unit.connection.scalar(sa.select(t.id).where(t.brand_id == brand_id, t.name == AMS))


@FEW
@given(history=histories(12, turbulent=True), mode=st.booleans())
def test_p15_brands_do_not_meet(stage, history, mode):
    """ID-P15: the same history ends alike in two brands, and neither changes the other."""
    one, other = stage.opened(one_to_many=mode), stage.opened(one_to_many=mode)
    for act in history:
        before = personal(stage, other)
        stage.play(one, act)
        assert personal(stage, other) == before
    first = personal(stage, one)
    for act in history:
        stage.play(other, act)
    assert personal(stage, one) == first
    assert canonical(stage, one) == canonical(stage, other)


@FEW
@given(history=histories(30, turbulent=True), seed=st.integers(0, 2**32), mode=st.booleans())
def test_who_was_erased_stays_away(stage, history, seed, mode):
    """ID-35, with everything at once: two integrations, one of them iMIS Legacy, slips that are corrected, orphans,
    both modes; every outcome has a rule (ID-P14)."""
    brand_id, chance, addresses, names = stage.opened(one_to_many=mode), Random(seed), set(), set()
    stage.integration("crm", brand_id=brand_id)
    prepare_mess(stage, brand_id)
    for act in history:
        people = stage.living(brand_id)
        if people and chance.random() < 0.15:
            number = chance.choice(sorted(people))
            email = people[number]["email"]
            held = {name for name, row in keys(stage, brand_id).items() if row["subscriber_id"] == number}
            if email is not None and erased(stage, brand_id, number):
                names |= held
                addresses |= {email} if [row["email"] for row in people.values()].count(email) == 1 else set()
        if act.kind == "push":
            act = replace(act, given=[slipped(each) if chance.random() < 0.3 else each for each in act.given])
        assert all(outcome.rule for outcome in stage.play(brand_id, act))
        assert not addresses & {row["email"] for row in stage.living(brand_id).values()}
        assert not names & set(keys(stage, brand_id))


def prepare_mess(stage, brand_id):
    brand, integration = metadata.tables["brand"], metadata.tables["integration"]
    with stage.unit(stage.speaker(brand_id)) as unit:
        known = unit.connection.scalar(sa.select(brand.c.settings).where(brand.c.id == brand_id))
        unit.connection.execute(sa.update(brand).where(brand.c.id == brand_id).values(
            settings={**known, "repairAddresses": True, "unknownField": "create"}))
        unit.connection.execute(sa.update(integration).where(
            integration.c.brand_id == brand_id, integration.c.name == "crm").values(identity="imis_legacy"))


def slipped(record):
    return replace(record, email=record.email and record.email.replace("@", "@@") + "..")


def erased(stage, brand_id, number):
    """Whether the person was erased; not, where somebody has done it before."""
    stage.clock.advance(seconds=1)
    try:
        with stage.unit(stage.actor("api", brand_id=brand_id, role="admin")) as unit:
            erasure.erase(unit, Identifier(subscriber_id=number), confirmed=True, close_writebacks=True)
    except GatewayError:
        return False
    return True


def test_every_kind_of_act_is_played(stage):
    """The histories above are not empty talk."""
    brand_id = stage.opened()
    stage.play(brand_id, Act("push", AMS, [SubscriberRecord("1", HOMES[0])]))
    stage.play(brand_id, Act("unsubscribe", "", HOMES[0]))
    stage.play(brand_id, Act("sync", AMS, [RemoteMember("2", HOMES[1], None, ("All",), False)]))
    stage.play(brand_id, Act("bounce", "", HOMES[1]))
    assert [(email, reason) for _, email, reason in stage.frozen(brand_id)] == [(HOMES[1], "bad_email")]
    gone, there = stage.living(brand_id).values()
    assert gone["orphan"] and gone["opted_out_at"] is not None and not there["orphan"]
