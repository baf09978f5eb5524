"""From a stored mailing to messages: files, keys, domains, kinds of fields, signatures (SEND-23, 39..46)."""

import dataclasses
import email
import email.policy

import dkim
import pytest

from gateway import settings as installation
from gateway.db.queries import deliveries
from gateway.domain.delivery import Claimed
from gateway.domain.files import MailingFile
from gateway.domain.hits import HIDDEN_URL
from gateway.domain.records import Identifier
from gateway.domain.tokens import Keys
from gateway.errors import GatewayError, SettingsError
from gateway.services import compose, files, mailings, secretbox, testcopies, tracking
from gateway.services import dkim as dkim_keys
from tests.support.mailreader import read
from tests.support.world import SECRET

LOGO = MailingFile("logo.png", "image/png", b"\x89PNG\r\n\x00" * 40, "logo")
AGENDA = MailingFile("Tagesordnung f\u00fcr M\u00e4rz.pdf", "application/pdf", b"%PDF-1.7\n" * 50)
WITH_LOGO = '<body><p>Dear {{ FirstName }} <img src="cid:logo"></p></body>'
NEW_KEY = b"another key, with which the installation signs from now on"


def parsed(data):
    return email.message_from_bytes(data, policy=email.policy.default)


def rotated(house, *older):
    """The same installation after its key was changed."""
    settings = dataclasses.replace(house.settings, secret_key=NEW_KEY, old_secret_keys=older)
    return dataclasses.replace(house.gateway, settings=settings, keys=Keys.from_secret(NEW_KEY, older))


def built(gateway, house, instance_id):
    """The message of the world's first delivery, made anew as for another attempt."""
    with gateway.reading(house.actor()) as unit:
        draft = mailings.get(unit, mailings.get_instance(unit, instance_id).mailing_id).draft
        prepared = compose.prepare(unit, draft, instance_id, frozen=True)
        claimed = Claimed(1, 1, "ann@example.org", "K1", 2, unit.now)
        return compose.message(prepared, claimed, {"FirstName": "Ann"})


def test_files_travel_with_every_copy(house, sink):
    """SEND-41: stored with the mailing, loaded once for an instance, in test copies too."""
    house.add_person("ann@example.org")
    house.add_person("bob@example.org")
    mailing_id = house.create(html=WITH_LOGO, files=(LOGO, AGENDA))
    house.run(house.schedule(mailing_id))
    testcopies.send_tests(house.gateway, house.actor(), mailing_id, ["me@example.org"])
    assert len(sink.messages) == 3
    for each in sink.messages:
        message = parsed(each.data)
        assert [part.get_content_type() for part in message.iter_parts()] == ["multipart/related", "application/pdf"]
        [attached] = message.iter_attachments()
        assert (attached.get_filename(), attached.get_content()) == (AGENDA.name, AGENDA.data)
        picture = next(part for part in message.walk() if part.get_content_type() == "image/png")
        assert picture.get_content() == LOGO.data
        assert f'"cid:{picture["Content-ID"][1:-1]}"' in message.get_body(("html",)).get_content()


def test_a_browser_gets_the_images_within_the_page(house, sink):
    """RFC 2397: nothing else is fetched, so looking at it tells nobody."""
    house.add_person("ann@example.org")
    house.send(html=WITH_LOGO.replace("</body>", '<a href="{{ view_url }}">Browser</a></body>'), files=(LOGO, AGENDA))
    page = tracking.view(house.gateway, read(sink.messages[0].data).view.rpartition("/")[2])
    assert '<img src="data:image/png;base64,iVBORw0K' in page and "cid:" not in page


def test_files_are_replaced_as_a_whole_and_told_without_their_bytes(house):
    """What is not named is gone; a bad file changes nothing; another brand sees none."""
    mailing_id = house.create(files=(LOGO, AGENDA))
    with house.unit() as unit:
        assert [(each.name, each.size_bytes) for each in files.listed(unit, mailing_id)] == [
            (LOGO.name, len(LOGO.data)), (AGENDA.name, len(AGENDA.data))]
        files.set_files(unit, mailing_id, [AGENDA])
    with pytest.raises(GatewayError), house.unit() as unit:
        files.set_files(unit, mailing_id, [LOGO, dataclasses.replace(LOGO, name="")])
    with house.reading() as unit:
        assert [each.name for each in files.listed(unit, mailing_id)] == [AGENDA.name]
        assert files.with_files(unit, mailing_id, house.draft()).files == (AGENDA,)
    with house.reading(house.actor(brand_id=2)) as unit:
        assert files.listed(unit, mailing_id) == () == files.with_files(unit, mailing_id, house.draft()).files


def test_every_attempt_is_the_same_message_whatever_key_signs_now(house, sink):
    """SEND-23, SEND-45: Message-ID, return path and links of an instance are of the key of its freezing."""
    house.add_person("ann@example.org", values={"FirstName": "Ann"})
    instance_id = house.send()
    house.clock.advance(days=1)
    first = built(house.gateway, house, instance_id)
    again = built(rotated(house, SECRET), house, instance_id)
    assert again == first
    assert parsed(again.data)["Message-ID"] == parsed(sink.messages[0].data)["Message-ID"]
    assert again.envelope_from == sink.messages[0].envelope_from
    with pytest.raises(GatewayError, match="GATEWAY_OLD_SECRET_KEYS"):
        built(dataclasses.replace(house.gateway, keys=Keys({2: NEW_KEY}, 2)), house, instance_id)


def test_mail_of_an_old_key_still_unsubscribes(house, sink):
    """SEND-45: old keys verify, the newest signs; without them the link is like any other wrong one."""
    house.add_person("ann@example.org")
    instance_id = house.send()
    token = read(sink.messages[0].data).one_click.rpartition("/")[2]
    assert tracking.unsubscribe(rotated(house), token, True) is None
    assert [each.type for each in house.events(instance_id)] == ["sent"]
    gateway = rotated(house, SECRET)
    assert tracking.unsubscribe(gateway, token, True) is not None
    assert [each.type for each in house.events(instance_id)] == ["sent", "unsubscribed"]
    with gateway.reading(house.actor()) as unit:
        assert compose.prepare(unit, house.draft(), 0).compiled.keys.signing == 2


def test_what_an_old_key_sealed_still_opens():
    """SEND-45: nothing has to be entered anew on the day a key is changed."""
    sealed = secretbox.encrypt(SECRET, "integration", "password")
    assert secretbox.decrypt(NEW_KEY, "integration", sealed, (b"x" * 40, SECRET)) == "password"
    with pytest.raises(GatewayError, match="GATEWAY_OLD_SECRET_KEYS"):
        secretbox.decrypt(NEW_KEY, "integration", sealed)
    newest = secretbox.encrypt(NEW_KEY, "integration", "password")
    with pytest.raises(GatewayError):
        secretbox.decrypt(SECRET, "integration", newest)


def test_who_was_erased_is_known_after_a_change_of_key(house):
    """ID-35, SEND-45: hashes of erased addresses are made with the oldest key."""
    assert rotated(house, SECRET).keys.derived("erased") == house.gateway.keys.derived("erased")


def test_bounces_may_have_a_domain_of_their_own(house, sink):
    """SEND-44: return path and mailto; From, List-Id and Message-ID are as they were."""
    house.add_person("ann@example.org")
    instance_id = house.send()
    before = built(house.gateway, house, instance_id)
    settings = dataclasses.replace(house.settings, bounce_domain="bounces.example.org")
    after = built(dataclasses.replace(house.gateway, settings=settings), house, instance_id)
    local, _, domain = after.envelope_from.partition("@")
    assert (local, domain) == (before.envelope_from.partition("@")[0], "bounces.example.org") and len(local) <= 64
    was, now = parsed(before.data), parsed(after.data)
    assert "@bounces.example.org?subject=unsubscribe>" in now["List-Unsubscribe"]
    assert {name for name in was.keys() if was[name] != now[name]} == {"List-Unsubscribe"}


def test_a_field_of_kind_html_is_put_in_as_it_is(house, sink):
    """SEND-40: raw only there; in text and subject it is text."""
    house.add_field("Offer", "html")
    house.add_person("ann@example.org", values={"Offer": "<b>10 &amp; more</b>", "City": "<b>x</b>"})
    house.add_field("City")
    house.send(subject="For you: {{ Offer }}", html="<p>{{ Offer }} {{ City }}</p>", text="{{ Offer }}")
    message = parsed(sink.messages[0].data)
    assert message["Subject"] == "For you: 10 & more"
    assert message.get_body(("html",)).get_content().startswith("<p><b>10 &amp; more</b> &lt;b&gt;x&lt;/b&gt;</p>")
    assert message.get_body(("plain",)).get_content().startswith("10 & more")


def test_an_author_is_warned_of_what_leads_nowhere(house):
    """SEND-40: at creation; the mailing is stored all the same."""
    house.add_interest()
    with house.unit() as unit:
        made = mailings.create(unit, house.draft(
            html='<a href="/agenda.html">a</a><img src="cid:gone"><img src="img/x.png"><a href="#top">t</a>',
            files=(LOGO,)))
    told = " ".join(each.message for each in made.warnings)
    for wanted in ("'/agenda.html'", "'img/x.png'", "cid:gone", "'logo'"):
        assert wanted in told
    assert "#top" not in told and len(made.warnings) == 4


def test_the_hidden_link_is_the_last_of_the_frozen_table(house, sink):
    """SEND-46, SEND-52."""
    house.add_person("ann@example.org")
    instance_id = house.send()
    with house.reading() as unit:
        urls = deliveries.link_urls(unit.connection, 1, instance_id)
        prepared = compose.prepare(unit, house.draft(), instance_id, frozen=True)
    assert urls == ["https://example.org/a?x=1&y=2", "https://example.org/b", HIDDEN_URL]
    assert prepared.compiled.hidden_link == 2
    without = house.send(track_clicks=False)
    with house.reading() as unit:
        assert deliveries.link_urls(unit.connection, 1, without) == []


def test_a_mailing_is_signed_by_the_key_of_its_domain(house, sink):
    """SEND-42, SEND-43: every header is covered; an independent verifier agrees."""
    admin = house.actor(role="admin")
    with house.unit(admin) as unit:
        made = dkim_keys.add(unit, "example.org", "s1", "ed25519")
        dkim_keys.activate(unit, "example.org", "s1", None)
    house.add_person("ann@example.org")
    house.send(html=WITH_LOGO, files=(LOGO, AGENDA))
    data = sink.messages[0].data
    assert dkim.verify(data, dnsfunc=lambda name, timeout=5: made.record.encode())
    signed = parsed(data)["DKIM-Signature"].lower()
    for name in ("list-unsubscribe", "list-unsubscribe-post", "feedback-id", "precedence", "message-id"):
        assert f":{name}" in "".join(signed.split())


@pytest.mark.parametrize(("text", "domain"), [
    ("", ""), (" Bounces.Example.ORG ", "bounces.example.org"), ("xn--kln-sna.example", "xn--kln-sna.example"),
    ("localhost", None), ("a..b.org", None), ("-a.org", None), ("192.0.2.1", None), ("k\u00f6ln.example", None),
    ("a b.org", None)])
def test_the_bounce_domain_is_checked_at_start(text, domain):
    """SEND-44: a mistake in it would lose every bounce."""
    environ = {"GATEWAY_SECRET_KEY": "k" * 40, "GATEWAY_BOUNCE_DOMAIN": text}
    if domain is None:
        with pytest.raises(SettingsError, match="GATEWAY_BOUNCE_DOMAIN"):
            installation.load(environ)
    else:
        assert installation.load(environ).bounce_domain == domain


def test_a_tag_finds_its_field_in_another_spelling(house, sink):
    """SEND-40, PUSH-61: as names of fields are compared everywhere; what the mailing spells right comes first, and a
    field of kind html, whose values stand as they are, must be spelled right. In mails, test copies and previews."""
    house.add_field("Offer", "html")
    house.add_person("ann@example.org", values={"FirstName": "Ann", "Offer": "<b>x</b>"}, remote_id="17")
    html = "<p>[{{ First_Name }}|{{ firstname }}|{{ FirstName }}|{{ EMAIL }}|{{ Remote_ID }}|{{ offer }}]</p>"
    mailing_id = house.create(html=html, subject="To {{ FIRSTNAME }}")
    with house.reading() as unit:
        shown = mailings.preview(unit, mailing_id, Identifier(email="ann@example.org"))
    assert [each.field for each in shown.warnings] == ["offer"]
    assert "[Ann|Ann|Ann||" in shown.html and shown.subject == "To Ann"
    house.run(house.schedule(mailing_id))
    testcopies.send_tests(house.gateway, house.actor(), mailing_id, ["me@example.org"],
                          Identifier(email="ann@example.org"))
    mail, copy = (parsed(each.data) for each in sink.messages)
    assert mail["Subject"] == "To Ann" and copy["Subject"] == "[Test] To Ann"
    assert "[Ann|Ann|Ann|ann@example.org|17|]" in mail.get_body(("html",)).get_content()
    assert "[Ann|Ann|Ann|" in copy.get_body(("html",)).get_content()
