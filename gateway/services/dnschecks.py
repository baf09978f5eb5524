"""Does the world's DNS stand behind the domains that this installation sends from? (operator.md: doctor)"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence

from gateway.db.queries import dkim as queries
from gateway.db.queries.dkim import StoredKey
from gateway.domain import maildns
from gateway.domain.accounts import system_actor
from gateway.errors import GatewayError
from gateway.mail.dns import Dns
from gateway.mail.message import mail_domain
from gateway.services.dkim import published_problem
from gateway.services.gateway import Gateway

RECENT = dt.timedelta(days=90)
MAX_DOMAINS = 50


def resolver(gateway: Gateway) -> Dns:
    """Look-ups as the installation is set: through GATEWAY_DNS_SERVERS, else through the system's name servers."""
    return Dns(gateway.settings.dns_servers)


def check(gateway: Gateway) -> tuple[bool, str]:
    """One line for the doctor: whether all is well, and what is not.

    Looked at: where bounces come back (MX, SPF), where mail comes from (DMARC), the keys that sign. Domains for
    examples and tests are left out.
    """
    with gateway.reading(system_actor(0)) as unit:
        keys = [key for key in queries.all_unretired(unit.connection) if not maildns.is_example(key.domain)]
        senders = _domains(queries.from_addresses(unit.connection, unit.now - RECENT))
    returns = _domains([f"bounces@{mail_domain(gateway.settings.public_url)}"])
    asked = resolver(gateway)
    try:
        found = [f"{name}: {problem}" for name, problem in (
            *_returns(asked, returns), *_senders(asked, senders), *_keys(asked, keys)) if problem]
    except GatewayError as error:
        return False, error.message
    if found:
        return False, "; ".join(found)
    number = len({*returns, *senders, *(key.domain for key in keys)})
    return True, f"{number} domains are published as they should be" if number else "no domain of the world is in use"


def _domains(addresses: Iterable[str]) -> list[str]:
    named = {address.rpartition("@")[2].lower() for address in addresses}
    return sorted(domain for domain in named if domain and not maildns.is_example(domain))[:MAX_DOMAINS]


def _returns(asked: Dns, domains: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    for domain in domains:
        yield domain, None if asked.mail_servers(domain) else "no MX record, so bounces cannot come back"
        yield domain, maildns.spf_problem(asked.texts(domain))


def _senders(asked: Dns, domains: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    """The DMARC record of the domain itself or of a domain above it counts (RFC 7489, 6.6.3)."""
    for domain in domains:
        labels = domain.split(".")
        above = [".".join(labels[at:]) for at in range(max(1, len(labels) - 1))]
        problems = (maildns.dmarc_problem(asked.texts("_dmarc." + name)) for name in above)
        yield domain, None if any(problem is None for problem in problems) else maildns.dmarc_problem(
            asked.texts("_dmarc." + domain))


def _keys(asked: Dns, keys: Sequence[StoredKey]) -> Iterator[tuple[str, str | None]]:
    for key in keys:
        yield maildns.dkim_name(key.selector, key.domain), published_problem(key, asked)
