"""Can an explanation disagree with what really happens? Random crowds, on a real database. (ID-46, SEND-8)"""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.db.queries import explain as stored
from gateway.domain.accounts import system_actor
from gateway.domain.records import Identifier
from gateway.services import explain, reach, subscribers
from gateway.services.reach import Target

ADDRESSES = ("ann@example.org", "bo@example.org", "nobody", None)
PERSON = st.fixed_dictionaries({
    "email": st.sampled_from(ADDRESSES), "interests": st.sampled_from((("News",), ("News", "Board"), ("Sport",))),
    "keyed": st.booleans(), "flagged": st.booleans(), "ended": st.booleans(), "orphan": st.booleans(),
    "opted_out": st.booleans(), "left": st.sampled_from((None, None, "News", "Board"))})
CROWDS = st.lists(PERSON, min_size=1, max_size=8)


PROFILE = settings(max_examples=20, deadline=None, derandomize=True, database=None,
                   suppress_health_check=[HealthCheck.too_slow])


def fill(house, crowd, tag):
    """The crowd at addresses of its own, so that one database serves all examples."""
    people = []
    for number, one in enumerate(crowd):
        email = None if one["email"] is None else f"{tag}.{one['email']}" if "@" in one["email"] else f"{tag}nobody"
        keyed = one["keyed"] or any(each == email for each, _ in people) or email is None
        people.append((email, house.add_person(
            email, *(f"{name} {tag}" for name in one["interests"]), remote_id=f"{tag}-{number}" if keyed else None,
            flagged=one["flagged"], ended=one["ended"], orphan=one["orphan"], opted_out=one["opted_out"])))
        if one["left"] is not None:
            house.leave(people[-1][1], f"{one['left']} {tag}")
    return [person for _, person in people]


def test_an_explanation_says_what_the_freeze_does(house):
    """SEND-7, SEND-8: for every person of a random crowd, reached or not, and with or without orphans."""
    tags = iter(range(10_000))

    @PROFILE
    @given(CROWDS, st.booleans(), st.sets(st.sampled_from(ADDRESSES[:2])), st.sets(st.sampled_from(ADDRESSES[:2])))
    def check(crowd, include_orphans, bounced, opted_out):
        tag = f"t{next(tags)}"
        people = fill(house, crowd, tag)
        for email in bounced | opted_out:
            house.set_address(f"{tag}.{email}", bounced_at=house.clock.now if email in bounced else None,
                              opted_out_at=house.clock.now if email in opted_out else None)
        for name in ("News", "Board"):
            house.add_interest(f"{name} {tag}")
        mailing_id = house.create(interests=(f"News {tag}",), exclude_interests=(f"Board {tag}",),
                                  include_orphans=include_orphans)
        said = {person: _verdict(house, person, mailing_id=mailing_id) for person in people}
        instance_id = house.schedule(mailing_id)
        house.run(instance_id)
        frozen = {row.subscriber_id: row.reason for row in house.deliveries(instance_id)}
        assert {person: verdict.reason for person, verdict in said.items()} == {
            person: frozen.get(person, "not_targeted") for person in people}
        for person, verdict in said.items():
            assert verdict.reaches == (person in frozen and frozen[person] is None)
            assert bool(verdict.blockers) != verdict.reaches
            stored = _verdict(house, person, instance_id=instance_id)
            assert (stored.reaches, stored.reason) == (verdict.reaches, verdict.reason)

    check()


def test_the_facts_are_those_of_the_status_shown(house):
    """ID-46: a record is sendable exactly when no fact is found against it, in the words of ``blocked_by``."""
    tags = iter(range(10_000))

    @PROFILE
    @given(CROWDS, st.sets(st.sampled_from(ADDRESSES[:2])))
    def check(crowd, bounced):
        tag = f"s{next(tags)}"
        people = fill(house, crowd, tag)
        for email in bounced:
            house.set_address(f"{tag}.{email}", bounced_at=house.clock.now)
        with house.reading() as unit:
            for person in people:
                shown = subscribers.get(unit, Identifier(subscriber_id=person))
                facts = {blocker.fact for blocker in _verdict(house, person).blockers}
                assert facts - {"invalid_address"} == set(shown.blocked_by)
                if shown.email is None or "@" in shown.email:
                    assert shown.sendable == (not facts)

    check()


def _verdict(house, person, *, mailing_id=None, instance_id=None):
    """The verdict alone: the rest of the answer is not looked at here, and takes its time."""
    with house.reading() as unit:
        record = stored.records(unit.connection, 1, [person])[person]
        target = reach.target_of(unit, mailing_id, instance_id)
        return reach.verdict(unit, explain.facts_of(unit, record), target if target.mailing else Target())


def test_the_whole_answer_has_the_same_verdict(house):
    """What the property looks at is what callers get."""
    person = house.add_person("ann@example.org", opted_out=True)
    mailing_id = house.create()
    answer = explain.explain(house.gateway, system_actor(1), Identifier(subscriber_id=person), mailing_id=mailing_id)
    assert answer.people[0].verdict == _verdict(house, person, mailing_id=mailing_id)
