"""SetMailingOnHold (aapi.md section 5.7)."""

import pytest
import sqlalchemy as sa

from gateway.db.models.mailings import instance, mailing
from gateway.services import mailings
from tests.aapi.door import NS
from tests.aapi.test_schedule_mailing import MAILING, interested, publish


def hold(*ids):
    return f"<SetMailingOnHold><Mailings>{''.join(f'<ID>{each}</ID>' for each in ids)}</Mailings></SetMailingOnHold>"


def told(door, action, brand=1):
    """Count, Status, Message."""
    (answer,) = door.actions(action, brand=brand).find(f"{{{NS}}}Responses")
    assert [each.tag.rpartition("}")[2] for each in answer] == ["Count", "ActionStatus"]
    return answer[0].text, answer[1][0].text, answer[1][1].text


def states(door):
    with door.world.reading() as unit:
        return unit.connection.scalars(sa.select(instance.c.state).order_by(instance.c.id)).all()


def choices(door):
    with door.world.reading() as unit:
        return unit.connection.scalars(sa.select(mailing.c.schedule_choice).order_by(mailing.c.id)).all()


@pytest.fixture
def ready(door):
    """Account 1: mailings 1 and 2 are to come, 1 twice, and 3 was never published; account 2: mailing 4 is to come."""
    door.actions(interested("News"), MAILING, MAILING, MAILING, publish(1), publish(1), publish(2))
    door.actions(interested("News", brand=2), MAILING, publish(4), brand=2)
    return door


def test_mailings_are_put_on_hold_and_resumed(ready):
    """Count is of mailings; in grid mailing they are 4. Another door lets them go on (docs/operations.md)."""
    assert told(ready, hold(1, 2, 1)) == ("2", "success", "Set 2 mailings on hold")
    assert states(ready) == ["paused", "paused", "paused", "scheduled"] and choices(ready) == [4, 4, None, 2]
    assert told(ready, hold(1)) == ("1", "success", "Set 1 mailings on hold")
    with ready.gateway.unit(ready.actor()) as unit:
        mailings.resume(unit, 3)
    assert states(ready) == ["paused", "paused", "scheduled", "scheduled"] and choices(ready) == [4, 2, None, 2]


def test_what_is_out_is_not_counted(ready):
    """Nor what was never published; with nothing to hold at all the action failed, which is no fault (section 5)."""
    with ready.gateway.unit(ready.actor()) as unit:
        mailings.cancel(unit, 3)
    assert told(ready, hold(1, 2, 3)) == ("1", "success", "Set 1 mailings on hold")
    assert told(ready, hold(2, 3)) == ("0", "failure", "Set 0 mailings on hold")
    assert choices(ready)[1:3] == [2, None]


@pytest.mark.parametrize(("action", "code"), [
    (hold(1, 99), "ItemNotFoundException"), (hold(1, 4), "ItemNotFoundException"),
    (hold(1, "one"), "InvalidDataFormatException"), (hold(1, ""), "InvalidDataFormatException"),
    (hold(), "InsufficientInformationToCompleteActionException"),
    ("<SetMailingOnHold/>", "InsufficientInformationToCompleteActionException"),
    (hold(*[1] * 1001), "UnexpectedInputException")])
def test_refusals(ready, action, code):
    """Another account's mailing is unknown; after a fault nothing is on hold."""
    assert ready.fault(action).code == code
    assert states(ready) == ["scheduled"] * 4


def test_a_thousand_ids_are_taken(ready):
    """The limit itself."""
    assert told(ready, hold(*[2] * 1000))[0] == "1"


def test_the_right_to_send(ready):
    """Section 2.1."""
    assert ready.fault(hold(1), user="reader").code == "SystemAccessException"


def test_in_one_document_with_the_publishing(ready):
    """Section 5: actions run in document order within one transaction; the fault of one undoes the others."""
    ready.actions(publish(3), hold(3))
    assert states(ready)[-1] == "paused"
    assert ready.fault(hold(1), hold(99)).code == "ItemNotFoundException"
    assert states(ready)[:2] == ["scheduled"] * 2
