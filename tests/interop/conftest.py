"""The fixtures of the clients' tests: one real server and one mail server for a module."""

from tests.clients.conftest import server, sink

__all__ = ["server", "sink"]
