"""The tables, one module a noun; importing this package registers them all on ``metadata``."""

from gateway.db.models import accounts, imports, jobs, mailings, subscribers, sync, transport
from gateway.db.models.base import metadata

__all__ = ["accounts", "imports", "jobs", "mailings", "metadata", "subscribers", "sync", "transport"]
