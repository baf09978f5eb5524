"""Do the properties of identity.md section 14 hold for any records, on the pure rules alone?"""

from __future__ import annotations

import copy
import datetime as dt
import itertools
from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.applying import apply_record
from gateway.domain.batch import Batch, read_identity
from gateway.domain.fields import STANDARD_FIELDS, fold
from gateway.domain.identity import resolve
from gateway.domain.interests import Interests
from gateway.domain.people import Directory
from gateway.domain.records import ADOPTED, CREATED, UNCHANGED, UPDATED
from gateway.domain.resolution import Identity
from gateway.domain.values import Catalogue, Field
from tests.support.pushes import plain_records, records

NOW = dt.datetime(2026, 1, 15, 12, tzinfo=dt.UTC)
FIELDS = {fold(name): Field(name, kind, 4000) for name, kind in STANDARD_FIELDS.items()}
SOURCES = {"ams": (1, 11), "crm": (2, 12)}
UPLOAD_SOURCE = 13
MANY = settings(max_examples=300, deadline=None)


class People:
    """A store of people in memory, to which senders push batches."""

    def __init__(self):
        self.ids = itertools.count(1).__next__
        self.people = {}
        self.uploads = 0

    def batch(self, sender="ams"):
        integration_id, source_id = SOURCES[sender]
        directory = Directory(integration_id, self.ids)
        for person in self.people.values():
            if person.merged_into is None:
                directory.add(person)
        self.uploads += 1
        return Batch(directory, Catalogue(dict(FIELDS)), Interests({"News": 1, "Events": 2}), "AddOrUpdate", "Keep",
                     self.uploads, NOW, source_id, UPLOAD_SOURCE, {}, lambda source: (source, 0))

    def push(self, given_records, sender="ams"):
        batch = self.batch(sender)
        outcomes = [apply_record(batch, at, record, read_identity(record))
                    for at, record in enumerate(given_records)]
        for person in batch.directory.touched.values():
            person.is_new = False
            self.people[person.subscriber_id] = person
        return outcomes

    def living(self):
        return [person for person in self.people.values() if person.merged_into is None]


def pushed(history):
    people = People()
    for sender, given_records in history:
        people.push(given_records, sender)
    return people


histories = st.lists(st.tuples(st.sampled_from(("ams", "crm")), st.lists(plain_records(), max_size=4)), max_size=4)


@MANY
@given(histories, records())
def test_the_same_record_again_is_unchanged(history, record):
    """ID-P1."""
    people = pushed(history)
    (first,) = people.push([record])
    before = copy.deepcopy(people.people)
    (again,) = people.push([record])
    if first.status in (CREATED, ADOPTED, UPDATED, UNCHANGED):
        assert (again.status, again.subscriber_id) == (UNCHANGED, first.subscriber_id)
    else:
        assert again.status == first.status
    assert people.people == before


@MANY
@given(histories, st.lists(records(), max_size=8))
def test_records_of_a_batch_act_as_if_each_came_alone(history, batch):
    """ID-27, ID-P2: but for the warning that says so."""
    together, alone = pushed(history), pushed(history)
    outcomes = together.push(batch)
    singly = [alone.push([record])[0] for record in batch]
    assert [(o.status, o.rule, o.subscriber_id, o.problem) for o in outcomes] == [
        (o.status, o.rule, o.subscriber_id, o.problem) for o in singly]
    assert seen(together) == seen(alone)


def seen(people):
    """The state but for upload ids."""
    return {number: (p.email, p.keyless, p.merged_into, sorted(p.keys), [k.flagged for k in p.keys.values()],
                     {s: d.text for s, d in p.documents.items()},
                     sorted((m.interest_id, m.until is None) for m in p.memberships))
            for number, p in people.people.items()}


@MANY
@given(histories, st.lists(records(), max_size=8), st.randoms(use_true_random=False))
def test_independent_groups_may_be_interleaved(history, batch, random):
    """ID-P3: sharing an address or key, in the batch or the store, joins; between groups the order is free."""
    groups = grouped(pushed(history), batch)
    order = list(itertools.chain.from_iterable([number] * len(group) for number, group in groups.items()))
    random.shuffle(order)
    queues = {number: iter(group) for number, group in groups.items()}
    shuffled = [next(queues[number]) for number in order]

    straight, mixed = pushed(history), pushed(history)
    plain, other = straight.push(batch), mixed.push([batch[at] for at in shuffled])
    numbering = {o.subscriber_id: plain[at].subscriber_id for at, o in zip(shuffled, other, strict=True)
                 if o.status == CREATED}
    renamed = {at: (o.status, o.rule, numbering.get(o.subscriber_id, o.subscriber_id), o.problem,
                    [w.code for w in o.warnings]) for at, o in zip(shuffled, other, strict=True)}
    assert [renamed[at] for at in range(len(batch))] == [
        (o.status, o.rule, o.subscriber_id, o.problem, [w.code for w in o.warnings]) for o in plain]
    states = {numbering.get(number, number): state for number, state in seen(mixed).items()}
    merged = {number: (*state[:2], numbering.get(state[2], state[2]), *state[3:]) for number, state in states.items()}
    assert merged == seen(straight)


def grouped(people, batch):
    """Numbers of the records by group; whatever names nobody is a group of its own."""
    parent = {}

    def root(name):
        while parent.setdefault(name, name) != name:
            name = parent[name]
        return name

    for person in people.living():
        names = [("address", person.email), *(("key", key) for key in person.keys)]
        for name in names:
            parent[root(name)] = root(names[0])
    groups = defaultdict(list)
    mine = []
    for at, record in enumerate(batch):
        who = read_identity(record)
        names = [("record", at)]
        if isinstance(who, Identity):
            names += [("address", who.email)] if who.email else []
            names += [("key", (1, who.remote_id))] if who.remote_id else []
        for name in names:
            parent[root(name)] = root(names[0])
        mine.append(names[0])
    for at, name in enumerate(mine):
        groups[root(name)].append(at)
    return groups


@MANY
@given(histories)
def test_ids_and_first_sources_are_for_ever(history):
    """ID-P4, ID-P5: nothing vanishes, and an adoption or another address keeps the id."""
    people = People()
    for sender, given_records in history:
        before = {number: person.first_source_id for number, person in people.people.items()}
        keys = {key: person.subscriber_id for person in people.living() for key in person.keys}
        people.push(given_records, sender)
        assert {number: people.people[number].first_source_id for number in before} == before
        after = {key: person.subscriber_id for person in people.living() for key in person.keys}
        assert {key: after[key] for key in keys} == keys


@MANY
@given(histories)
def test_keys_and_keyless_addresses_are_unique(history):
    """ID-P6."""
    people = pushed(history)
    keys = [key for person in people.living() for key in person.keys]
    assert len(keys) == len(set(keys))
    for person in people.living():
        if person.keyless:
            assert [other for other in people.living() if other.email == person.email] == [person]


@MANY
@given(histories, st.lists(records(), max_size=5))
def test_a_push_leaves_other_sources_alone(history, batch):
    """ID-P10: but for what a merge brings to its survivor."""
    people = pushed(history)
    before = {(number, source): document.text for number, person in people.people.items()
              for source, document in person.documents.items() if source != SOURCES["ams"][1]}
    outcomes = people.push(batch, "ams")
    survivors = {o.subscriber_id for o in outcomes if "merged" in o.changes}
    for (number, source), text in before.items():
        if number not in survivors:
            assert people.people[number].documents[source].text == text
    for number, person in people.people.items():
        for source in person.documents:
            assert source == SOURCES["ams"][1] or number in survivors or (number, source) in before


@MANY
@given(histories, st.lists(records(), max_size=6))
def test_every_outcome_has_the_rule_that_resolving_gives(history, batch):
    """ID-P14."""
    people = pushed(history)
    for record in batch:
        who = read_identity(record)
        expected = resolve(who, people.batch().directory).rule if isinstance(who, Identity) else "ID-8"
        (outcome,) = people.push([record])
        assert outcome.rule == expected


@MANY
@given(histories, st.lists(records(), max_size=8))
def test_a_failed_record_changes_nothing(history, batch):
    """PUSH-11."""
    people = pushed(history)
    for record in batch:
        before = copy.deepcopy(people.people)
        (outcome,) = people.push([record])
        if outcome.status not in (CREATED, ADOPTED, UPDATED):
            assert people.people == before
