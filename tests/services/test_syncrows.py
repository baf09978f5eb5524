"""Does a sync that answers unchanged rows from its look-up end exactly as one that looks at every row? (ID-72)"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from gateway.bridges.port import RemoteMember
from gateway.db.queries.erasure import GONE
from gateway.domain.records import Identifier, StatusEntry, SubscriberRecord
from gateway.errors import GatewayError
from gateway.services import erasure, optout, plainrows, sync, syncrows
from tests.support.histories import AMS, HOMES, Act, Stage, any_record

SOME = settings(max_examples=5, deadline=None, derandomize=True, database=None,
                phases=(Phase.explicit, Phase.generate), suppress_health_check=list(HealthCheck))
IDS = tuple(str(number) for number in range(1, 9))
LISTS = ("All", "News")
SHOWN = ("subscriber_id", "remote_id", "email", "rule", "status", "code", "warnings", "row_number")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def stage(request, tmp_path_factory):
    """One database of each kind for all examples."""
    folder = tmp_path_factory.mktemp("syncrows")
    if request.param == "sqlite":
        url = f"sqlite:///{folder}/gateway.db"
    else:
        cluster = request.getfixturevalue("postgres_cluster")
        url = cluster.create("gateway_syncrows", request.getfixturevalue("postgres_template"))
    with Stage(url, folder) as made, made.bridged():
        yield made
    if request.param == "postgresql":
        cluster.drop("gateway_syncrows")


@pytest.fixture
def short(monkeypatch):
    """Brand id -> how many rows of it went the short way; a brand that is not there looks at every row."""
    counted, real = Counter(), syncrows.silent_rows

    def silent_rows(unit, *rest):
        found = real(unit, *rest) if unit.brand_id in counted else {}
        counted.update({unit.brand_id: len(found)} if found else {})
        return found

    monkeypatch.setattr(syncrows, "silent_rows", silent_rows)
    monkeypatch.setattr(sync, "CHUNK_ROWS", 5)
    monkeypatch.setattr(plainrows, "MIN_ROWS", 1)
    return counted


def history(chance):
    """The same members again and again, one of them changed now and then; what people and others do between the runs.

    Several of them share an address, and some addresses are nobody's but theirs.
    """
    members = {remote_id: [f"m{remote_id}@example.org" if chance.random() < 0.7 else chance.choice(HOMES),
                           chance.choice((None, False, False)), chance.choice((None, LISTS[:1], LISTS))]
               for remote_id in chance.sample(IDS, 7)}
    for _ in range(6):
        remote_id = chance.choice(list(members))
        email, flag, _ = members[remote_id]
        kind = chance.randrange(4)
        if kind == 0:
            members[remote_id][0] = chance.choice((email.upper(), chance.choice(HOMES), "no address", None))
        elif kind == 1:
            members[remote_id][1] = chance.choice((not flag, None))
        elif kind == 2:
            members[remote_id][2] = chance.choice((None, (), LISTS[1:], LISTS))
        yield Act("sync", AMS, [RemoteMember(key, *row, chance.random() < 0.02) for key, row in members.items()])
        somebody = members[chance.choice(list(members))][0] or HOMES[0]
        yield chance.choice((
            Act("none", "", None), Act("none", "", None), Act("unsubscribe", "", somebody),
            Act("bounce", "", somebody.lower()), Act("leave", "", somebody), Act("erase", "", somebody),
            Act("push", "crm", [SubscriberRecord("1", somebody, do_not_email=chance.choice((None, True)))]),
            Act("push", "api", [SubscriberRecord(None, somebody)]),
            Act("push", AMS, [any_record(chance), SubscriberRecord(chance.choice(IDS), deleted=True)])))


def play(stage, brand_id, act):
    """Lets it happen; answers what a sync said."""
    if act.kind == "sync":
        report = stage.sync(brand_id, act.given, release=True)
        return report.state, dict(report.counters)
    with stage.unit(stage.actor(brand_id=brand_id, role="admin")) as unit:
        if act.kind == "leave":
            optout.opt_out(unit, ["News"], [StatusEntry(Identifier(email=act.given))])
        elif act.kind == "erase":
            with suppress(GatewayError):
                erasure.erase(unit, Identifier(email=act.given), confirmed=True, close_writebacks=True)
    if act.kind in ("push", "bounce", "unsubscribe"):
        stage.play(brand_id, act)
    return None


def people(stage, brand_id):
    """What is stored of everybody; what is left of an erased person's remote ID has a number of its own."""
    state = stage.state(brand_id)
    for row in state["remote_key"]:
        row["remote_id"] = row["remote_id"][:8] if row["remote_id"].startswith(GONE) else row["remote_id"]
    state["remote_key"].sort(key=repr)
    return state


def decisions(stage, brand_id):
    ids = [row["id"] for row in stage.rows(brand_id, "subscriber")]
    return [[ids.index(row[name]) if name == "subscriber_id" and row[name] is not None else row[name]
             for name in SHOWN] for row in stage.rows(brand_id, "decision")]


@SOME
@given(seed=st.integers(0, 2**32), one_to_many=st.booleans())
def test_rows_that_say_nothing_new_are_answered_as_the_long_way_would(stage, short, seed, one_to_many):
    """ID-72, ID-P1, ID-27, ID-29: the same counts, the same people, the same decisions with the same warnings."""
    brands = [stage.opened(one_to_many=one_to_many) for _ in range(2)]
    short[brands[0]] = 0
    for at, act in enumerate(history(Random(seed))):
        stage.clock.advance(seconds=1)
        now, told = stage.clock(), []
        for brand_id in brands:
            stage.clock.set(now)
            told.append((play(stage, brand_id, act), people(stage, brand_id), decisions(stage, brand_id)))
        assert told[0] == told[1], (at, act)
    assert short[brands[0]] > 0 and brands[1] not in short
