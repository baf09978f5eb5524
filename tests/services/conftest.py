"""What do several tests of services share?"""

import pytest

from gateway.bridges import registry
from tests.support.ams import MemoryAms


@pytest.fixture
def ams(monkeypatch):
    """A foreign system in memory, which integrations of kind ``memory`` reach."""
    made = MemoryAms()
    monkeypatch.setitem(registry.FACTORIES, "memory", lambda config: made)
    return made
