"""The catalogue, the served grids and docs/grids.md say the same (aapi.md section 7)."""

from pathlib import Path

import pytest

from gateway.aapi.grids.catalogue import shapes
from gateway.db.queries.grids.tables import served
from tests.support.griddoc import document


def test_the_page_is_made_from_the_catalogue():
    """docs/grids.md is what ``python -m tests.support.griddoc`` writes."""
    assert (Path(__file__).parents[2] / "docs/grids.md").read_text(encoding="utf-8") == document()


def test_there_are_all_grids_with_all_elements():
    """Section 7: 70 grids with 1,010 elements, and the alias personal_information."""
    vendors = {token: shape for token, shape in shapes().items() if token != "personalinformation"}
    assert len(vendors) == 70
    assert sum(not element.ours for shape in vendors.values() for element in shape.elements.values()) == 1010


@pytest.mark.parametrize("postgres", [False, True])
@pytest.mark.parametrize("token", sorted(served(False)))
def test_a_served_grid_has_an_expression_for_each_element_and_no_other(token, postgres):
    """7.2 to 7.5: nothing that the catalogue has is forgotten, and its key is among them."""
    shape = shapes()[token]
    assert set(served(postgres)[token].elements) == set(shape.elements) - {"count"}
    assert set(shape.key) <= set(shape.elements)
