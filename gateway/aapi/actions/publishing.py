"""What do ScheduleMailing and SetMailingOnHold do? (aapi.md sections 5.6 and 5.7)"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.aapi.answers import group, leaf, status
from gateway.aapi.faults import (
    CONFIGURATION_ERROR,
    INSUFFICIENT_INFORMATION,
    INVALID_DATA_FORMAT,
    MISMATCHED_TARGET_GROUPS,
    MULTIPLE_DEFAULT_TARGET_GROUPS,
    UNEXPECTED_INPUT,
    AapiError,
)
from gateway.aapi.nodes import (
    Node,
    child,
    children,
    content,
    flag,
    local,
    read_instant,
    required,
    required_child,
    text,
)
from gateway.aapi.subscriberdata import SubscriberData, load, read_data
from gateway.services import mailings, publishing, stories
from gateway.services.gateway import Unit

MAX_ON_HOLD = 1000


@dataclass(frozen=True, slots=True)
class TargetGroup:
    """An interest; ``data``: people who are added to it first, None: nobody."""

    name: str
    data: SubscriberData | None
    returns_invalid: bool


def schedule_mailing(unit: Unit, node: Node) -> str:
    """Publishes a mailing to one interest and answers the new instance, each time a new one; a time that is over means
    now.

    People who come along are stored and added to the interest first, by the rules of identity; who is refused is named
    where that is asked for. Raises ``InsufficientInformationToCompleteActionException`` for a node that is missing,
    ``ItemNotFoundException`` for the mailing or the interest, ``MultipleDefaultTargetGroupsException``,
    ``MismatchedTargetGroupsException``, and what ``mailings.schedule`` refuses.
    """
    mailing_id = _mailing_id(node, required(node, "MailingID"))
    send_at = read_instant(required(node, "PublishDateTime"), "PublishDateTime", child(node, "PublishDateTime"))
    required(node, "IsTest")
    target = _target(unit, required_child(node, "TargetGroupAssignment"), mailing_id)
    refused = () if target.data is None else load(unit, target.data, [target.name]).refused
    instance = mailings.schedule(unit, mailing_id, max(send_at, unit.now), again=True, interests_=(target.name,),
                                 is_test=flag(node, "IsTest"))
    code = text(node, "AccountingCode")
    if code:
        publishing.set_accounting_code(unit, mailing_id, code)
    shown = flag(node, "ReturnInvalidSubscribers") or target.returns_invalid
    invalid = [group("InvalidSubscribers", *(leaf("Email", each.email or "") for each in refused))] if shown else []
    return group("ScheduleMailing", leaf("MailingID", mailing_id), leaf("MailingInstanceID", instance.instance_id),
                 *invalid, status("Mailing scheduled."))


def set_on_hold(unit: Unit, node: Node) -> str:
    """Pauses what is to come of up to 1,000 mailings, and counts those of which something is on hold then.

    A mailing that is out, or was never published, is not counted. Raises ``ItemNotFoundException`` for an id that the
    account does not have; then nothing is on hold.
    """
    holder = required_child(node, "Mailings")
    written = [content(each).strip() for each in children(holder, "ID")]
    if not written:
        raise AapiError(INSUFFICIENT_INFORMATION, "Mailings needs at least one ID.", holder)
    if len(written) > MAX_ON_HOLD:
        raise AapiError(UNEXPECTED_INPUT, f"SetMailingOnHold takes at most {MAX_ON_HOLD} mailings; {len(written)} "
                                          "came. Send several.", holder)
    count = publishing.hold(unit, [_mailing_id(holder, each) for each in written])
    return group("SetMailingOnHold", leaf("Count", count), status(f"Set {count} mailings on hold", ok=count > 0))


def update_preference(_unit: Unit, node: Node) -> str:
    """Not offered: there are no message categories here, only interests."""
    raise AapiError(CONFIGURATION_ERROR, "This gateway has no message categories. Use interests: Subscribe adds people "
                                         "to one, Optout takes them out.", node)


def _target(unit: Unit, assignment: Node, mailing_id: int) -> TargetGroup:
    """The one default target group."""
    defaults = []
    for each in children(assignment):
        if local(each) == "DefaultTargetGroup":
            defaults.append(each)
        else:
            _refuse_story_group(unit, each, mailing_id)
    interests = [interest for default in defaults for each in children(default, "TargetGroup")
                 for interest in children(each, "Interest")]
    if len(defaults) > 1 or len(interests) > 1:
        raise AapiError(MULTIPLE_DEFAULT_TARGET_GROUPS, "A publishing goes to one DefaultTargetGroup with one "
                                                        "Interest. Send a ScheduleMailing for each.", assignment)
    if not interests:
        raise AapiError(INSUFFICIENT_INFORMATION, "TargetGroupAssignment needs a DefaultTargetGroup with a TargetGroup "
                                                  "with an Interest.", assignment)
    data = child(interests[0], "SubscriberData")
    return TargetGroup(required(interests[0], "TargetGroupName"), None if data is None else read_data(data),
                       flag(interests[0], "ReturnInvalidSubscribers"))


def _refuse_story_group(unit: Unit, node: Node, mailing_id: int) -> None:
    """A target group of one story: never sent to everybody instead."""
    story_id = next((content(each).strip() for each in node.iter()
                     if isinstance(each.tag, str) and local(each) == "StoryID"), "")
    if not story_id:
        raise AapiError(UNEXPECTED_INPUT, f"TargetGroupAssignment does not take {local(node)[:80]}.", node)
    if story_id not in stories.ids(unit, mailing_id):
        raise AapiError(MISMATCHED_TARGET_GROUPS, f"The mailing {mailing_id} has no story {story_id[:50]}, for which a "
                                                  "target group came.", node)
    raise AapiError(CONFIGURATION_ERROR, "This gateway sends all stories of a mailing to all its recipients. Make a "
                                         f"mailing of its own for the target group of story {story_id[:50]}.", node)


def _mailing_id(node: Node, written: str) -> int:
    if not written.isascii() or not written.isdigit() or len(written) > 18:
        raise AapiError(INVALID_DATA_FORMAT, f"{written[:40]!r} is no id of a mailing, which is a number.", node)
    return int(written)
