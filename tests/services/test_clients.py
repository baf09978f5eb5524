"""Which program a User-Agent names, and its type (aapi.md section 7.4)."""

import pytest
import sqlalchemy as sa
from ua_parser import parse

from gateway.db.models.mailings import event
from gateway.domain.events import BROWSER, DESKTOP, MOBILE, UNKNOWN, WEB_MAIL
from gateway.services import clients
from gateway.services.clients import client_of
from tests.support.mailreader import read


@pytest.mark.parametrize("agent, expected", [
    ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36",
     ("Chrome", BROWSER)),
    ("Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0", ("Firefox", BROWSER)),
    ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
     ("Mobile Safari UI/WKWebView", MOBILE)),
    ("Outlook-iOS/709.2189947.prod.iphone (3.24.1)", ("Outlook-iOS", MOBILE)),
    ("Mozilla/5.0 (Linux; Android 13; Pixel 7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/116.0.0.0 Mobile "
     "Safari/537.36", ("Chrome Mobile", MOBILE)),
    ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)",
     ("Apple Mail", DESKTOP)),
    ("Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.12026; Pro)", ("Outlook", DESKTOP)),
    ("Mozilla/5.0 (Windows NT 10.0; rv:102.0) Gecko/20100101 Thunderbird/102.3", ("Thunderbird", DESKTOP)),
    ("MacOutlook/16.78", ("Outlook", DESKTOP)),
    ("Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
     ("GmailImageProxy", WEB_MAIL)),
    ("Mozilla/5.0", (None, UNKNOWN)), ("", (None, UNKNOWN)), ("\x00" * 9000, (None, UNKNOWN)),
])
def test_the_client_of_a_user_agent(agent, expected):
    """7.4: mobile, desktop, web browser, web based email, unknown."""
    assert client_of(agent) == expected


def test_an_agent_is_read_once_for_all_its_builds(monkeypatch):
    """Reading takes a millisecond, which folding has not for each of thousands of builds; an odd agent is read, too."""
    read_agents = []

    def counted(agent):
        read_agents.append(agent)
        return parse(agent)
    monkeypatch.setattr(clients, "parse", counted)
    found = {client_of(f"Mozilla/5.0 (Linux; Android 13.{n}) AppleWebKit/537.{n} Chrome/901.0.{n}.{n} Mobile Safari/5")
             for n in range(300)}
    assert found == {("Chrome Mobile", MOBILE)} and len(read_agents) == 1
    assert client_of("Chrome/902.1") != client_of("Firefox/903.1") and len(read_agents) == 3


def test_a_folded_hit_names_its_client(house, sink):
    """7.3: opens and clicks keep the name and the type of what they came from."""
    house.add_person("ann@example.org")
    house.send()
    house.clock.advance(minutes=1)
    agent = "Mozilla/5.0 (Windows NT 10.0; rv:102.0) Gecko/20100101 Thunderbird/102.3"
    house.hit(read(sink.messages[0].data).pixel, agent)
    house.fold()
    with house.reading() as unit:
        found = unit.connection.execute(sa.select(event.c.client_name, event.c.client_type)
                                        .where(event.c.type == "opened")).all()
    assert found == [("Thunderbird", "desktop")]
