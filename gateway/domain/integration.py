"""What is an integration: a foreign system of a brand, and how is it?"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

API = "api"
"""The kind without a bridge: it calls us, and we cannot call it."""


STANDARD, IMIS_LEGACY = "standard", "imis_legacy"
IDENTITIES = (STANDARD, IMIS_LEGACY)
"""How an integration's records are known: by remote ID and address as they come, or by the iMIS ID alone (ID-3)."""

IMIS_ID = "iMIS ID"


def remote_id_label(identity: str) -> str:
    """What doors and reports call the remote ID of an integration of this ``identity`` (ID-3)."""
    return IMIS_ID if identity == IMIS_LEGACY else "remote ID"


@dataclass(frozen=True, slots=True)
class IntegrationView:
    """An integration as lists show it; its configuration is a secret and not part of it.

    ``state``: ``up``, or ``down`` during an outage, with the time of the next probe and the number of
    outages met in a row (ID-60). ``cursor``: up to where its changes are known (ID-68). ``pulls``: the kinds of
    writebacks that it fetches and acknowledges itself (ID-63); with any, we do not write into it, bridge or not.
    ``has_webhook``: they are posted to it, signed (ID-63).
    ``choices``: how it is synced (:mod:`gateway.domain.schedule`); ``next_sync_at``: when, by its schedule (ID-66).
    ``config_mark``: another one for each configuration that was stored; it tells nothing of what is in it.
    """

    integration_id: int
    brand_id: int
    name: str
    kind: str
    state: str
    probe_at: dt.datetime | None
    failures: int
    cursor: str | None
    created_at: dt.datetime
    pulls: tuple[str, ...] = ()
    choices: Mapping[str, object] = field(default_factory=dict, hash=False)
    next_sync_at: dt.datetime | None = None
    has_webhook: bool = False
    config_mark: str = ""
