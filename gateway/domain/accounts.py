"""Who acts, and what may they do? (SOAP-17..19, PUSH-2)"""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.errors import GatewayError

READER, SENDER, INTEGRATION, ADMIN = "reader", "sender", "integration", "admin"
ROLES = (READER, SENDER, INTEGRATION, ADMIN)
SCOPES = ("import", "send", "report", "writeback")

ROLE_SCOPES: dict[str, frozenset[str]] = {
    READER: frozenset({"report"}),
    SENDER: frozenset({"report", "import", "send"}),
    INTEGRATION: frozenset({"report", "import", "send", "writeback"}),  # a foreign system's own user: it acknowledges
    ADMIN: frozenset({"report", "import", "send", "writeback", "admin"}),
}


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever this unit acts for: a user, an API key, a sync, a recipient's click, or the system itself.

    ``label`` is what logs and decisions show (``user:apiuser``, ``key:12``, ``sync:crm``, ``recipient``,
    ``system``). ``integration_id`` names the foreign system whose remote IDs the actor speaks; recipients
    and the system have none. ``scopes`` are rights by name; ``admin`` among them is the administrator.
    """

    brand_id: int
    label: str
    door: str
    scopes: frozenset[str] = field(default_factory=frozenset)
    integration_id: int | None = None
    integration_name: str = ""
    request_id: str = ""

    def require(self, scope: str) -> None:
        """Raises ``NOT_ALLOWED`` naming the right that is missing."""
        if scope not in self.scopes:
            raise GatewayError("NOT_ALLOWED", f"These credentials do not have the right '{scope}'. "
                                              "Use others, or ask an administrator for it.")

    @property
    def is_admin(self) -> bool:
        """Whether the administrator's acts (erase, complaint resubscribe, release) are open to it."""
        return "admin" in self.scopes


def system_actor(brand_id: int, door: str = "worker") -> Actor:
    """The actor of background work of one brand."""
    return Actor(brand_id=brand_id, label="system", door=door, scopes=frozenset({*SCOPES, "admin"}))
