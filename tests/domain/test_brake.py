"""Does the brake hold what is above both limits, and nothing that is at one of them? (ID-70)"""

import pytest

from gateway.domain.brake import ROWS, SHARE, Brake, brake_of


@pytest.mark.parametrize(("leaving", "of", "holds"), [
    (10, 10, False), (11, 11, True), (11, 110, False), (12, 110, True), (100, 1000, False), (101, 1000, True)])
def test_above_ten_rows_and_above_a_tenth(leaving, of, holds):
    """Both must be passed."""
    assert Brake().holds(leaving, of) is holds


@pytest.mark.parametrize("percent", range(1, 101))
def test_a_share_of_ones_own_is_not_above_itself(percent):
    """0.29 of 100 is 29, whatever a computer's fractions say."""
    brake = brake_of({SHARE: percent / 100, ROWS: 0})
    assert not brake.holds(percent, 100) and brake.holds(percent + 1, 100)
