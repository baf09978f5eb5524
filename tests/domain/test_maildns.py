"""Which DNS records stand behind a sending domain, and which only look like it? (SEND-43, operator.md: doctor)"""

import pytest

from gateway.domain import maildns


@pytest.mark.parametrize(("text", "good"), [
    ("example.org", True), ("mail.a-b.example.org", True), ("xn--mller-kva.de", True), ("example", False), ("", False),
    ("Example.org", False), ("ex_ample.org", False), ("-a.org", False), ("a..org", False), ("a.org.", False),
    ("a.org\n", False), (f"{'a' * 64}.org", False), (".".join(["a" * 60] * 5), False), ("10.0.0.1", False)])
def test_domains(text, good):
    assert maildns.is_domain(text) is good


@pytest.mark.parametrize(("text", "good"), [("2026a", True), ("s", True), ("a-b", True), ("a.b", False), ("", False),
                                            ("a" * 64, False), ("-a", False), ("ä", False), ("A", False)])
def test_selectors(text, good):
    assert maildns.is_selector(text) is good


@pytest.mark.parametrize(("domain", "example"), [
    ("example.org", True), ("news.example.com", True), ("a.test", True), ("localhost.localdomain", True),
    ("myexample.org", False), ("assoc.org", False)])
def test_domains_for_examples_are_known(domain, example):
    """RFC 2606, RFC 6761: nobody need ask the world about them."""
    assert maildns.is_example(domain) is example


@pytest.mark.parametrize(("records", "problem"), [
    (["v=DKIM1; k=rsa; p=KEY"], None), (["p=KE Y"], None), (["v=spf1 -all", " v = DKIM1 ; p = KEY ;"], None),
    ([], "no DKIM key"), (["v=DKIM1; k=rsa"], "no DKIM key"), (["v=DKIM2; p=KEY"], "no DKIM key"),
    (["v=DKIM1; p=OTHER"], "another key"), (["v=DKIM1; p="], "withdrawn"), (["p=KEY", "p=KEY"], "more than one")])
def test_keys(records, problem):
    found = maildns.dkim_problem(records, "KEY")
    assert (found is None) if problem is None else problem in found


@pytest.mark.parametrize(("records", "problem"), [
    (["v=spf1 mx -all"], None), (["V=SPF1 ip4:192.0.2.1 ~all", "other"], None), ([], "no SPF"),
    (["v=spf10 mx"], "no SPF"), (["v=spf1 mx", "v=spf1 a"], "more than one"), (["v=spf1 +all"], "everybody"),
    (["v=spf1 all"], "everybody"), (["v=spf1 include:small.org -all"], None)])
def test_spf(records, problem):
    found = maildns.spf_problem(records)
    assert (found is None) if problem is None else problem in found


@pytest.mark.parametrize(("records", "problem"), [
    (["v=DMARC1; p=reject; rua=mailto:d@example.org"], None), (["v=DMARC1;p=None"], None), ([], "no DMARC"),
    (["v=DMARC1"], "no policy"), (["v=DMARC1; p=maybe"], "no policy"), (["v=DMARC1; p=none"] * 2, "more than one")])
def test_dmarc(records, problem):
    found = maildns.dmarc_problem(records)
    assert (found is None) if problem is None else problem in found


def test_long_records_are_cut_for_zone_files():
    """RFC 1035, 3.3.14."""
    assert maildns.quoted_strings("a" * 300) == f'"{"a" * 255}" "{"a" * 45}"'
