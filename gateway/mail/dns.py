"""What does the world's DNS say? Small look-ups with short time limits."""

from __future__ import annotations

from collections.abc import Sequence

import dns.exception
import dns.resolver

from gateway.errors import GatewayError

TIMEOUT_S = 3.0


class Dns:
    """Look-ups through the system's name servers, or through ``servers`` (``address`` or ``address:port``)."""

    def __init__(self, servers: Sequence[tuple[str, int]] = ()) -> None:
        self._servers = tuple(servers)

    def texts(self, name: str) -> list[str]:
        """The TXT records of ``name``, their strings joined; empty when there are none. Raises ``UNAVAILABLE``."""
        return [b"".join(record.strings).decode("utf-8", "replace") for record in self._ask(name, "TXT")]

    def mail_servers(self, name: str) -> list[str]:
        """The hosts that take mail for ``name``, the preferred first; empty when there are none. Raises as above."""
        found = sorted(self._ask(name, "MX"), key=lambda record: record.preference)
        return [record.exchange.to_text(omit_final_dot=True) for record in found]

    def _ask(self, name: str, kind: str) -> list:
        try:
            return list(self._resolver().resolve(name, kind, lifetime=TIMEOUT_S, search=False))
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except (dns.exception.DNSException, OSError):
            raise GatewayError("UNAVAILABLE", f"No name server answered for {name}. Look at the host's DNS, or set "
                                              "GATEWAY_DNS_SERVERS.") from None

    def _resolver(self) -> dns.resolver.Resolver:
        resolver = dns.resolver.Resolver(configure=not self._servers)
        if self._servers:
            resolver.nameservers = [dns.nameserver.Do53Nameserver(*server) for server in self._servers]
        return resolver
