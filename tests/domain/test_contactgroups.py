"""What List elements of the compatible face say (PUSH-24)."""

import pytest

from gateway.domain.contactgroups import list_of


@pytest.mark.parametrize(("mode", "read"), [("Add", "Add"), ("add", "Add"), ("REMOVE", "Remove"),
                                            (" Replace ", "Replace")])
def test_modes_in_any_case(mode, read):
    """PUSH-24."""
    element = list_of({"ListId": "news", "ListName": "Monthly news", "Mode": mode, "ContactIds": ["1", 2, "1", "02"]})
    assert (element.list_id, element.name, element.mode, element.remote_ids, element.problem) == (
        "news", "Monthly news", read, ("1", "2", "02"), None)


@pytest.mark.parametrize(("change", "code", "field"), [
    ({"Mode": ""}, "INVALID_VALUE", "Mode"), ({"Mode": None}, "INVALID_VALUE", "Mode"),
    ({"Mode": "ReplaceAll"}, "INVALID_VALUE", "Mode"), ({"Mode": 1}, "INVALID_VALUE", "Mode"),
    ({"mode": "Add"}, "FIELD_UNKNOWN", "mode"), ({"contactIds": []}, "FIELD_UNKNOWN", "contactIds"),
    ({"ContactIds": ["1", True]}, "INVALID_VALUE", "ContactIds[1]"), ({"ListId": True}, "INVALID_VALUE", "ListId"),
    ({"ContactIds": None}, "INVALID_VALUE", "ContactIds"), ({"ContactIds": "1,2"}, "INVALID_VALUE", "ContactIds"),
    ({"ContactIds": ["1", None]}, "INVALID_VALUE", "ContactIds[1]"),
    ({"ContactIds": [[]]}, "INVALID_VALUE", "ContactIds[0]"), ({"ContactIds": [1.5]}, "INVALID_VALUE", "ContactIds[0]"),
    ({"ContactIds": ["a\0"]}, "INVALID_CHARACTER", "ContactIds[0]"),
    ({"ListId": None}, "INVALID_VALUE", "ListId"), ({"ListId": "x" * 256}, "FIELD_TOO_LONG", "ListId"),
    ({"ListId": {}}, "INVALID_VALUE", "ListId"), ({"ListName": "\ufffe"}, "INVALID_CHARACTER", "ListName")])
def test_nothing_is_guessed(change, code, field):
    """PUSH-24, PUSH-10: a guess could empty a list."""
    element = list_of({"ListId": "news", "Mode": "Replace", "ContactIds": []} | change)
    assert (element.problem.code, element.problem.field) == (code, field)


def test_a_list_by_one_name():
    """ListName stands in for a ListId; without a name the list keeps its own; unknown members are warned of."""
    assert (list_of({"ListName": "News", "Mode": "Add", "ContactIds": []}).list_id,
            list_of({"ListId": "n", "Mode": "Add", "ContactIds": []}).name) == ("News", None)
    element = list_of({"ListId": "n", "Mode": "Add", "ContactIds": [], "Tenant": 1})
    assert [(each.code, each.field) for each in element.warnings] == [("FIELD_UNKNOWN", "Tenant")]
    assert list_of("x").problem.code == "INVALID_VALUE"
