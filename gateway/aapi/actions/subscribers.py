"""What do Subscribe, Unsubscribe and Optout do? (aapi.md sections 5.1 to 5.3)"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from gateway.aapi.answers import group, leaf, status
from gateway.aapi.faults import (
    CONFLICTING_INFORMATION,
    INSUFFICIENT_INFORMATION,
    ITEM_NOT_FOUND,
    UNEXPECTED_INPUT,
    AapiError,
)
from gateway.aapi.nodes import Node, child, children, content, only_child, required, required_child, text
from gateway.aapi.subscriberdata import Loaded, load, read_data
from gateway.domain.records import (
    ADD_OR_UPDATE,
    FAILED,
    MAX_SYNC_RECORDS,
    REPLACE_ALL,
    Identifier,
    Outcome,
    Problem,
    StatusEntry,
)
from gateway.errors import GatewayError
from gateway.services import interests, named, optout, suppression
from gateway.services.gateway import Unit

ADD_SUBSCRIBERS, REPLACE_SUBSCRIBERS = "AddOrUpdateSubscribers", "ReplaceAllSubscribers"
MODES = {ADD_SUBSCRIBERS: ADD_OR_UPDATE, REPLACE_SUBSCRIBERS: REPLACE_ALL}
"""InterestAction -> how an import is applied."""

NO_REASON = "Unsubscribed via Informz Web Service"
"""What is stored where the document gives no reason."""

_MALFORMED = "INVALID_EMAIL"


def subscribe(unit: Unit, node: Node) -> str:
    """Creates and updates up to 1,000 people and adds them to interests; nobody is resubscribed (section 5.1).

    A malformed address is skipped and named. ReplaceAllSubscribers lets the sender's other members leave the named
    interests, as far as the brake for mass changes allows (ID-70): beyond it the whole document is refused.
    """
    names, mode = _interest_details(node)
    holder = required_child(node, "SubscriberData")
    count = sum(1 for _ in children(required_child(holder, "Subscribers"), "Subscriber"))
    if count > MAX_SYNC_RECORDS:
        raise AapiError(UNEXPECTED_INPUT, f"Subscribe takes at most {MAX_SYNC_RECORDS} subscribers; {count} came. Send "
                                          "them as one BulkUpload.", node)
    data = read_data(holder)
    try:
        loaded = load(unit, data, names, mode)
    except GatewayError as error:
        if error.code != "BRAKE_HELD":
            raise
        raise AapiError(UNEXPECTED_INPUT, f"{error.message.partition('.')[0]}, which the brake for mass changes does "
                                          "not let pass; nothing was stored. Check that the list is complete. If it "
                                          "is, send it as BulkUpload, which an administrator can release.",
                        node) from None
    return group("Subscribe", leaf("NewSubscriberCount", loaded.created), leaf("PreviousSubscriberCount", loaded.known),
                 status(_processed(loaded), ok=loaded.stored > 0))


def unsubscribe(unit: Unit, node: Node) -> str:
    """Unsubscribes each address that somebody has, with all its records (section 5.2, ID-50).

    An address that nobody has is opted out as well, and not counted. Raises ``ConflictingInformationException`` for an
    address without ID that several records have, ``ItemNotFoundException`` for an address and ID that do not belong
    together; then nothing is changed.
    """
    entries = list(_entries(node))
    if not all(entry.who.email for entry in entries):
        raise AapiError(INSUFFICIENT_INFORMATION, "A Subscriber of Unsubscribe needs Email, which is missing or empty.",
                        node)
    count, malformed = 0, []
    for part in _parts(entries):
        for entry, found in zip(part, named.whom(unit, part), strict=True):
            if isinstance(found, Problem):
                _refuse_pair(entry)
                malformed.append(entry.who.email or "")
            elif len(found) > 1:
                raise AapiError(CONFLICTING_INFORMATION, f"{len(found)} subscribers have the address "
                                                         f"{entry.who.email}. Send the ID of the one you mean.", node)
            else:
                count += len(found)
    for part in _parts(entries):
        suppression.unsubscribe(unit, part)
    told = f"{count} email addresses unsubscribed.{_named('Skipped as malformed', malformed)}"
    return group("Unsubscribe", leaf("Count", count), status(told, ok=len(malformed) < len(entries)))


def opt_out(unit: Unit, node: Node) -> str:
    """Lets people leave the named interests and stay subscribers (section 5.3).

    Counts every Subscriber, also those of whom nothing is known. Raises
    ``InsufficientInformationToCompleteActionException`` without any interest or e-mail address,
    ``ItemNotFoundException`` for an interest that does not exist.
    """
    names = _names(node)
    entries = list(_entries(node))
    if not names or not any(entry.who.email for entry in entries):
        raise AapiError(INSUFFICIENT_INFORMATION, "Optout needs at least one InterestName and one Email.", node)
    try:
        interests.resolve_names(unit, names, False)
    except GatewayError as error:
        raise AapiError(ITEM_NOT_FOUND, error.message, child(node, "InterestNames")) from None
    failed: list[Outcome] = []
    for part in _parts(entries):
        report = optout.opt_out(unit, names, part)
        failed += [outcome for outcome in report.outcomes if outcome.status == FAILED]
    bad = [outcome.email or "" for outcome in failed if _code(outcome) not in ("NOT_FOUND", "IDENTITY_MISMATCH")]
    told = f"{len(entries)} email addresses opted out.{_named('Ignored as malformed', bad)}"
    return group("Optout", leaf("Count", len(entries)), status(told, ok=len(bad) < len(entries)))


def _interest_details(node: Node) -> tuple[list[str], str]:
    """The names and how people join them; none without the block."""
    details = only_child(node, "InterestDetails")
    if details is None:
        return [], ADD_OR_UPDATE
    names = _names(details)
    if not names:
        raise AapiError(INSUFFICIENT_INFORMATION, "InterestDetails needs at least one InterestName; leave it out to "
                                                  "change no interests.", details)
    action = required(details, "InterestAction")
    if action not in MODES:
        raise AapiError(UNEXPECTED_INPUT, f"InterestAction of Subscribe is one of {', '.join(MODES)}.", details)
    return names, MODES[action]


def _names(node: Node) -> list[str]:
    """The interest names below the node, each once."""
    holder = only_child(node, "InterestNames")
    found = [] if holder is None else [content(each).strip() for each in children(holder, "InterestName")]
    return list(dict.fromkeys(name for name in found if name))


def _entries(node: Node) -> Iterator[StatusEntry]:
    found = list(children(required_child(node, "Subscribers"), "Subscriber"))
    if not found:
        raise AapiError(INSUFFICIENT_INFORMATION, "Subscribers needs at least one Subscriber.", node)
    for each in found:
        yield StatusEntry(Identifier(None, text(each, "ID") or None, text(each, "Email") or None),
                          text(each, "UnsubscribeReason") or NO_REASON)


def _parts(entries: Sequence[StatusEntry]) -> Iterator[Sequence[StatusEntry]]:
    """As many at a time as one call takes."""
    return (entries[start:start + MAX_SYNC_RECORDS] for start in range(0, len(entries), MAX_SYNC_RECORDS))


def _refuse_pair(entry: StatusEntry) -> None:
    """Raises unless the entry has only an address, which then is malformed."""
    who = entry.who
    if who.remote_id is not None:
        raise AapiError(ITEM_NOT_FOUND, f"There is no subscriber with the address {who.email} and the ID "
                                        f"{who.remote_id}.")


def _processed(loaded: Loaded) -> str:
    """What the caller is told: how many were stored, and who was not, and why."""
    malformed = [each.email or "" for each in loaded.refused if _code(each) == _MALFORMED]
    told = f"{loaded.stored} subscriber{'' if loaded.stored == 1 else 's'} processed."
    told += _named("Skipped as malformed", malformed)
    for each in loaded.refused:
        if each.problem is not None and _code(each) != _MALFORMED:
            told += f" Not stored: {each.email}: {each.problem.field or each.problem.code}: {each.problem.message}"
    return told + (f" Not stored, for these people were erased: {loaded.suppressed}." if loaded.suppressed else "")


def _code(outcome: Outcome) -> str:
    return "" if outcome.problem is None else outcome.problem.code


def _named(what: str, addresses: Iterable[str]) -> str:
    found = ", ".join(addresses)
    return f" {what}: {found}." if found else ""
