"""How does an explanation look as plain facts with names for machines, and as lines for a person? (ID-79)"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from gateway.domain.explaining import day
from gateway.domain.explanation import (
    Blocker,
    Change,
    Decision,
    Explanation,
    LinkFact,
    MembershipFact,
    PersonAnswer,
    Verdict,
)

_IDS = frozenset({"subscriber_id", "merged_into", "merged", "mailing_id", "instance_id", "upload_id", "decision_id",
                  "writeback_id", "entry_id"})


def facts(node: Any, instant: Callable[[dt.datetime], str]) -> dict[str, Any]:
    """A dataclass of the tree as a JSON object: members in camelCase, ids as texts, instants as ``instant`` writes
    them; what is not known is absent, never null (PUSH-48)."""
    found = {}
    for each in fields(node):
        value = getattr(node, each.name)
        if value is not None:
            found[_camel(each.name)] = _plain(value, instant, each.name in _IDS)
    return found


def _plain(value: Any, instant: Callable[[dt.datetime], str], is_id: bool) -> Any:
    if is_dataclass(value):
        return facts(value, instant)
    if isinstance(value, dt.datetime):
        return instant(value)
    if isinstance(value, tuple):
        return [_plain(each, instant, is_id) for each in value]
    if isinstance(value, Mapping):
        return dict(value)
    return str(value) if is_id else value


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(each.capitalize() for each in others)


def lines(answer: Explanation) -> Iterator[str]:
    """The explanation line by line."""
    yield answer.sentence
    if answer.address is not None:
        yield answer.address.sentence
    for person in answer.people:
        yield ""
        yield from _person(person)
    if answer.unmatched:
        yield ""
        yield "Records with these identifiers that came to nobody, newest first:"
        yield from _decisions(answer.unmatched, answer.more_unmatched)
    if answer.next_record is not None:
        yield ""
        rule = f" {answer.next_record.rule}: {answer.next_record.meaning}" if answer.next_record.rule else ""
        yield answer.next_record.sentence + rule


def _person(person: PersonAnswer) -> Iterator[str]:
    kind = "orphan" if person.orphan else "erased" if person.erased_at else "record"
    yield f"Record {person.subscriber_id}: {person.email or 'no address'} ({person.status}, {kind})"
    yield f"  It is {person.mode_sentence}."
    yield (f"  First from {person.first_source} on {day(person.created_at)}; now of {person.source}, "
           f"last changed on {day(person.changed_at)}.")
    if person.merged_into is not None:
        yield f"  It was merged into record {person.merged_into}."
    if person.merged:
        yield f"  Merged into it: {', '.join(str(each) for each in person.merged)}."
    for link in person.links:
        yield f"  {_link(link)}"
    yield "Would mail reach it?"
    yield from _verdict(person.verdict)
    yield from _values(person)
    yield "Which rules decided? (newest first)" if person.decisions else "Which rules decided? None is stored."
    yield from _decisions(person.decisions, person.more_decisions)
    yield "What would the next sync change?" if person.next_sync else "What would the next sync change? It has no link."
    for forecast in person.next_sync:
        yield f"  {forecast.sentence}"
        yield from (f"    {_change(each)}" for each in forecast.changes)
    for waiting in person.writebacks:
        yield (f"  On its way to {waiting.integration} since {day(waiting.occurred_at)}: {waiting.kind} "
               f"({waiting.state}).")


def _link(link: LinkFact) -> str:
    ended = f", ended on {day(link.ended_at)}" if link.ended_at else ""
    flag = ", do not e-mail" if link.do_not_email else ""
    return f"{link.label} {link.remote_id} of {link.integration} since {day(link.since)}{ended}{flag}"


def _verdict(verdict: Verdict) -> Iterator[str]:
    yield f"  {verdict.sentence}"
    yield from (f"  - {_blocker(each)}" for each in verdict.blockers)


def _blocker(blocker: Blocker) -> str:
    since = f" Since {day(blocker.since)}" if blocker.since else ""
    by = f"{',' if since else ' Set'} by {blocker.origin}" if blocker.origin else ""
    end = "." if since or by else ""
    reason = f" Reason: {blocker.reason}." if blocker.reason else ""
    return f"{blocker.sentence}{since}{by}{end}{reason} To undo it: {blocker.undo}"


def _values(person: PersonAnswer) -> Iterator[str]:
    yield "Where does each value come from?" if person.fields else "It has no values."
    for field in person.fields:
        yield f"  {field.name} = {field.value!r}. {field.sentence}"
        yield from (f"    {each.source}: {each.value!r} since {day(each.changed_at)}{' (counts)' * each.effective}"
                    for each in field.values)
    yield "Which interests is it in?" if person.memberships else "It is in no interest."
    yield from (f"  {_membership(each)}" for each in person.memberships)
    yield from (f"  The person left {each.interest} on {day(each.left_at)} ({each.origin})." for each in person.left)


def _membership(row: MembershipFact) -> str:
    until = f" until {day(row.until)}" if row.until else ""
    rests = "".join(f", {word} {day(at)}" for word, at in (("begins", row.begins_at), ("ends", row.ends_at)) if at)
    return f"{row.interest}: {row.state}, by {row.source} ({row.channel}), since {day(row.since)}{until}{rests}"


def _decisions(given: tuple[Decision, ...], more: bool) -> Iterator[str]:
    for each in given:
        place = f", upload {each.upload_id}" if each.upload_id else ""
        place += f" row {each.row}" if each.row else ""
        place += f" (line {each.line})" if each.line else ""
        yield f"  {day(each.recorded_at)} {each.door} by {each.actor}{place}: {each.status}"
        said = [f"{each.rule}: {each.meaning}" if each.meaning else each.rule or "",
                f"{each.code}: {each.message or ''}".strip() if each.code else "", *map(_change, each.changes),
                f"warned of {', '.join(each.warnings)}" if each.warnings else ""]
        yield from (f"    {line}" for line in said if line)
    if more:
        yield "  There are older ones; GetSubscriberHistory has them all."


def _change(change: Change) -> str:
    if change.old is None:
        return f"{change.name}: {change.new}"
    return f"{change.name}: {change.old} -> {change.new or 'nothing'}"
