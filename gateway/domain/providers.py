"""Whose mail servers does a domain share? Domains of one provider are one destination (SEND-34)."""

from __future__ import annotations

PROVIDERS: dict[str, tuple[str, ...]] = {name: tuple(domains.split()) for name, domains in {
    "google": "gmail.com googlemail.com",
    "microsoft": """
        hotmail.com hotmail.at hotmail.be hotmail.ca hotmail.ch hotmail.co.jp hotmail.co.nz hotmail.co.uk hotmail.com.ar
        hotmail.com.au hotmail.com.br hotmail.com.tr hotmail.cz hotmail.de hotmail.dk hotmail.es hotmail.fi hotmail.fr
        hotmail.gr hotmail.hu hotmail.it hotmail.nl hotmail.no hotmail.se
        live.com live.at live.be live.ca live.ch live.cn live.co.uk live.co.za live.com.ar live.com.au live.com.mx
        live.com.pt live.de live.dk live.fi live.fr live.ie live.in live.it live.jp live.nl live.no live.ru live.se
        msn.com outlook.com outlook.at outlook.be outlook.co.nz outlook.com.ar outlook.com.au outlook.com.br
        outlook.com.tr outlook.cz outlook.de outlook.dk outlook.es outlook.fr outlook.hu outlook.ie outlook.in
        outlook.it outlook.jp outlook.pt outlook.sa passport.com windowslive.com""",
    # AOL and Yahoo are one house, which also hosts the mail of AT&T, Cox, Frontier, Rogers, Sky and Verizon.
    # yahoo.co.jp is another company.
    "yahoo": """
        yahoo.com yahoo.at yahoo.be yahoo.ca yahoo.co.id yahoo.co.in yahoo.co.nz yahoo.co.uk yahoo.co.za yahoo.com.ar
        yahoo.com.au yahoo.com.br yahoo.com.co yahoo.com.hk yahoo.com.mx yahoo.com.my yahoo.com.ph yahoo.com.sg
        yahoo.com.tr yahoo.com.tw yahoo.com.vn yahoo.cz yahoo.de yahoo.dk yahoo.es yahoo.fi yahoo.fr yahoo.gr yahoo.hu
        yahoo.ie yahoo.in yahoo.it yahoo.nl yahoo.no yahoo.pl yahoo.pt yahoo.ro yahoo.se myyahoo.com rocketmail.com
        ymail.com aol.com aol.at aol.co.uk aol.de aol.es aol.fr aol.it aim.com netscape.net verizon.net
        att.net ameritech.net bellsouth.net currently.com flash.net nvbell.net pacbell.net prodigy.net sbcglobal.net
        snet.net swbell.net wans.net cox.net frontier.com frontiernet.net rogers.com sky.com""",
    "apple": "icloud.com mac.com me.com",
    "gmx": """
        gmx.net gmx.at gmx.ch gmx.co.uk gmx.com gmx.de gmx.eu gmx.fr gmx.info gmx.org gmx.us web.de email.de
        mail.com email.com post.com usa.com consultant.com""",
    "t-online": "t-online.de magenta.de",
    "freenet": "freenet.de",
    "vodafone-de": "arcor.de vodafone.de vodafonemail.de",
    "comcast": "comcast.net xfinity.com",
    "spectrum": "charter.net spectrum.net roadrunner.com rr.com twc.com bresnan.net",
    "centurylink": "centurylink.net centurytel.net embarqmail.com q.com",
    "earthlink": "earthlink.net mindspring.com",
    "netzero": "juno.com netzero.com netzero.net",
    "bell-ca": "bell.net sympatico.ca",
    "orange": "orange.fr wanadoo.fr",
    "sfr": "sfr.fr neuf.fr 9online.fr cegetel.net club-internet.fr",
    "bt": "btinternet.com btopenworld.com talk21.com",
    "virgin-uk": "virginmedia.com virgin.net ntlworld.com blueyonder.co.uk",
    "talktalk": "talktalk.net tiscali.co.uk",
    "libero": "libero.it virgilio.it iol.it inwind.it blu.it giallo.it",
    "tim": "tim.it alice.it tin.it",
    "proximus": "proximus.be skynet.be belgacom.net",
    "kpn": "kpnmail.nl kpnplanet.nl planet.nl hetnet.nl telfort.nl",
    "ziggo": "ziggo.nl home.nl upcmail.nl chello.nl casema.nl quicknet.nl",
    "seznam": "seznam.cz email.cz post.cz",
    "wp": "wp.pl o2.pl tlen.pl",
    "onet": "onet.pl onet.eu op.pl vp.pl poczta.onet.pl",
    "interia": "interia.pl interia.eu poczta.fm",
    "proton": "proton.me protonmail.com protonmail.ch pm.me",
    "fastmail": "fastmail.com fastmail.fm fastmail.net sent.com",
    "zoho": "zoho.com zoho.eu zohomail.com zohomail.eu",
    "yandex": "yandex.ru yandex.by yandex.com yandex.kz yandex.ua ya.ru narod.ru",
    "mail-ru": "mail.ru bk.ru inbox.ru internet.ru list.ru",
    "tencent": "qq.com foxmail.com",
    "netease": "163.com 126.com yeah.net",
    "uol": "uol.com.br bol.com.br",
    "telstra": "bigpond.com bigpond.net.au telstra.com",
}.items()}
"""Provider -> its domains. A provider's name has no dot, so no domain is ever taken for one."""

PROVIDER_DOMAINS: dict[str, str] = {domain: name for name, domains in PROVIDERS.items() for domain in domains}
"""Domain -> provider, for all domains of :data:`PROVIDERS`."""


def domain_group(email: str) -> str:
    """The destination of an address: its provider, or for all other domains the domain itself."""
    return group_of_domain(email.rpartition("@")[2])


def group_of_domain(domain: str) -> str:
    """The destination of a domain, in any letter case."""
    folded = domain.lower()
    return PROVIDER_DOMAINS.get(folded, folded)
