"""`flask mail-dns`: records of the sender's domain, asked of a name server that knows a few."""

import base64
import json
import socket
import threading
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from api.mail_dns_command import mail_dns_command

# TXT records, or the name that another leads to, or what is answered instead.
Zone = dict[str, list[str] | str | dns.rcode.Rcode]
DOMAIN = "rdvpriority.fr"


def make_key(bits: int) -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits).public_key()
    return base64.b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


KEY, SHORT_KEY = make_key(2048), make_key(1024)
GOOD: Zone = {
    DOMAIN: ["google-site-verification=x", "v=spf1 include:sendgrid.net -all"],
    "sendgrid.net": ["v=spf1 ip4:192.0.2.0/24 ~all"],
    f"s1._domainkey.{DOMAIN}": "s1.domainkey.u1.wl.sendgrid.net",
    f"s2._domainkey.{DOMAIN}": "s2.domainkey.u1.wl.sendgrid.net",
    "s1.domainkey.u1.wl.sendgrid.net": [f"k=rsa; t=s; p={KEY}"],
    "s2.domainkey.u1.wl.sendgrid.net": [f"v=DKIM1; k=rsa; p={KEY}"],
    f"_dmarc.{DOMAIN}": [f"v=DMARC1; p=quarantine; rua=mailto:dmarc@{DOMAIN}"],
}


class NameServer:
    """Answers questions for TXT from `zone`; silent where `zone` is None. A long answer is given over TCP only."""

    def __init__(self) -> None:
        self.zone: Zone | None = {}
        self.by_tcp = 0
        self._socket, self._listener = _bind_both()
        self.address = "{}:{}".format(*self._socket.getsockname())
        threading.Thread(target=self._serve, name="names", daemon=True).start()
        threading.Thread(target=self._serve_tcp, name="names by TCP", daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                question, asker = self._socket.recvfrom(4096)
            except OSError:
                return
            if self.zone is not None and question:
                self._socket.sendto(_cut(answer(dns.message.from_wire(question), self.zone)), asker)

    def _serve_tcp(self) -> None:
        while True:
            try:
                asker, _ = self._listener.accept()
            except OSError:
                return
            with asker, asker.makefile("rb") as read:
                question = read.read(int.from_bytes(read.read(2), "big"))
                assert self.zone is not None
                reply = answer(dns.message.from_wire(question), self.zone).to_wire(max_size=65535)
                asker.sendall(len(reply).to_bytes(2, "big") + reply)
                self.by_tcp += 1

    def close(self) -> None:
        self._socket.close()
        self._listener.close()


def _bind_both() -> tuple[socket.socket, socket.socket]:
    """Return a socket for UDP and one that listens by TCP, at one port: the kernel's choice for one may be taken for the other."""
    while True:
        listener, asked = socket.create_server(("127.0.0.1", 0)), socket.socket(type=socket.SOCK_DGRAM)
        try:
            asked.bind(listener.getsockname())
        except OSError:
            listener.close()
            asked.close()
        else:
            return asked, listener


def _cut(reply: dns.message.Message) -> bytes:
    """Return what fits into a datagram: of a long answer nothing but that it is cut."""
    whole = reply.to_wire(max_size=65535)
    if len(whole) <= 1232:
        return whole
    reply.flags |= dns.flags.TC
    reply.answer.clear()
    return reply.to_wire()


def answer(question: dns.message.Message, zone: Zone) -> dns.message.Message:
    reply = dns.message.make_response(question)
    reply.flags |= dns.flags.RA
    name = question.question[0].name.to_text().rstrip(".")
    if name not in zone:
        reply.set_rcode(dns.rcode.NXDOMAIN)
        return reply
    found = zone[name]
    while isinstance(found, str) and len(reply.answer) < 20:
        reply.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", "CNAME", f"{found}."))
        name, found = found, zone.get(found, dns.rcode.NXDOMAIN)
    if isinstance(found, dns.rcode.Rcode):
        reply.set_rcode(found)
    elif isinstance(found, list) and found:
        texts = [" ".join(f'"{each[at : at + 255]}"' for at in range(0, len(each), 255)) for each in found]
        reply.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", "TXT", *texts))
    return reply


@pytest.fixture(scope="module")
def name_server() -> Iterator[NameServer]:
    made = NameServer()
    yield made
    made.close()


Check = Callable[..., Any]


@pytest.fixture
def check(name_server: NameServer, settings_env: Callable[..., None]) -> Check:
    """Give a function that runs the command on the good records with some replaced (None: there is none)."""
    settings_env(EMAIL_FROM=f"RDVPriority <alerte@{DOMAIN}>")

    def run(*given: str, **changed: list[str] | str | dns.rcode.Rcode | None) -> Any:
        zone: Zone = {**GOOD, **{name: found for name, found in changed.items() if found is not None}}
        name_server.zone = {name: found for name, found in zone.items() if changed.get(name, "") is not None}
        return CliRunner().invoke(mail_dns_command, [*given, "--server", name_server.address])

    return run


def test_flask_knows_the_command() -> None:
    (known,) = entry_points(group="flask.commands", name="mail-dns")
    assert known.load() is mail_dns_command


def test_the_records_of_email_from_are_found_right(check: Check) -> None:
    done = check()
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert [line.split()[:3] for line in lines] == [
        ["ok", DOMAIN, "SPF:"],
        ["ok", f"s1._domainkey.{DOMAIN}", "DKIM:"],
        ["ok", f"s2._domainkey.{DOMAIN}", "DKIM:"],
        ["ok", f"_dmarc.{DOMAIN}", "DMARC:"],
    ]
    assert "an RSA key of 2048 bits" in lines[1]


FAULTS: list[tuple[str, list[str] | None, str, int]] = [
    (DOMAIN, None, "SPF: no records", 1),
    (DOMAIN, [], "SPF: no records", 1),
    (DOMAIN, ["v=spf10 -all"], "SPF: no records", 1),
    (DOMAIN, ["v=spf1 include:sendgrid.net -all", "v=spf1 -all"], "SPF: 2 records", 1),
    (DOMAIN, ["v=spf1 include:sendgrid.net +all"], "lets everybody send", 1),
    (DOMAIN, ["v=spf1 include:sendgrid.net ?all"], "no rule for others", 0),
    (DOMAIN, ["v=spf1 include:sendgrid.net"], "no rule for others", 0),
    (DOMAIN, ["v=spf1 mx -all"], "include:sendgrid.net is missing", 0),
    (DOMAIN, ["v=spf1 " + " ".join(f"a:{n}.example" for n in range(10)) + " include:sendgrid.net -all"], "11 look-ups", 1),
    (DOMAIN, [f"v=spf1 include:{DOMAIN} include:sendgrid.net -all"], "look-ups or more", 1),  # that never ends
    (DOMAIN, ["v=spf1 redirect=sendgrid.net"], f"ok       {DOMAIN}  SPF: v=spf1 redirect", 0),
    (DOMAIN, ["v=spf1 redirect=gone.example"], "SPF: gone.example has not one record", 1),
    (DOMAIN, ["v=spf1 include:sendgrid.net include:gone.example -all"], "SPF: gone.example has not one record", 1),
    (DOMAIN, ["v=spf1 include:sendgrid.net include:%{d}.example -all"], f"ok       {DOMAIN}  SPF:", 0),
    (DOMAIN, ["v=spf1 include:sendgrid.net redirect=gone.example -all"], f"ok       {DOMAIN}  SPF:", 0),
    (DOMAIN, ["v=spf1 includ:sendgrid.net -all"], "includ:sendgrid.net is no rule of SPF", 1),
    (DOMAIN, ["v=spf1 include:sendgrid.net ip4=192.0.2.1 -all"], f"ok       {DOMAIN}  SPF:", 0),  # a modifier
    (DOMAIN, ["v=spf1 include:sendgrid.net; -all"], "include:sendgrid.net; is no rule", 1),
    (DOMAIN, ["V=SPF1 Include:SendGrid.net -ALL"], f"ok       {DOMAIN}  SPF:", 0),
    (f"s2._domainkey.{DOMAIN}", None, "DKIM: no records with a key", 1),
    (f"s2._domainkey.{DOMAIN}", ["v=DKIM1; p="], "the key is withdrawn", 1),
    (f"s2._domainkey.{DOMAIN}", ["v=DKIM1; p=MIGf.broken"], "cannot be read", 1),
    (f"s2._domainkey.{DOMAIN}", [f"v=DKIM1; p={SHORT_KEY}"], "a key of 1024 bits; better 2048", 0),
    (f"s2._domainkey.{DOMAIN}", [f"v=DKIM1; t=y:s; p={KEY}"], "t=y says that it is a test", 0),
    (f"s2._domainkey.{DOMAIN}", ["v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="], "ed25519", 0),
    (f"_dmarc.{DOMAIN}", None, "DMARC: no records", 1),
    (f"_dmarc.{DOMAIN}", ["v=DMARC1; p=none; rua=mailto:x@example.org"], "only watches", 0),
    (f"_dmarc.{DOMAIN}", [f"v=DMARC1; p=Reject; rua=mailto:x@{DOMAIN}"], f"ok       _dmarc.{DOMAIN}", 0),
    (f"_dmarc.{DOMAIN}", ["v=DMARC1; p=reject"], "no address for reports", 0),
    (f"_dmarc.{DOMAIN}", ["v=DMARC1; p=rejekt; rua=mailto:x@example.org"], "p=rejekt is none of", 1),
    (f"_dmarc.{DOMAIN}", ["v=DMARC1; p=none", "v=DMARC1; p=reject"], "DMARC: 2 records", 1),
]  # fmt: skip


@pytest.mark.parametrize(("name", "records", "says", "code"), FAULTS)
def test_what_is_wrong_is_named(
    check: Check, name: str, records: list[str] | None, says: str, code: int
) -> None:
    done = check(**{name: records})
    assert says in done.output
    assert done.exit_code == code


@pytest.mark.parametrize("code", [dns.rcode.SERVFAIL, dns.rcode.REFUSED])
@pytest.mark.parametrize("name", [DOMAIN, f"s1._domainkey.{DOMAIN}", "sendgrid.net", f"_dmarc.{DOMAIN}"])
def test_a_name_that_is_not_answered_for_hides_no_other_finding(
    check: Check, name: str, code: dns.rcode.Rcode
) -> None:
    done = check(**{name: code})
    assert f"failed   {name}  the name server answers {code.name}" in done.output
    assert len(done.output.splitlines()) >= 4
    assert done.exit_code == 1


@pytest.mark.parametrize("leads_to", ["gone.example", f"s1._domainkey.{DOMAIN}"])
def test_a_name_that_leads_nowhere_or_to_itself_has_no_key(check: Check, leads_to: str) -> None:
    done = check(**{f"s1._domainkey.{DOMAIN}": leads_to})
    assert done.exit_code == 1
    assert f"s1._domainkey.{DOMAIN}" in done.output
    assert "Traceback" not in done.output


def test_a_long_answer_is_read_over_tcp(check: Check, name_server: NameServer) -> None:
    many = [f"site-verification={number:0100}" for number in range(20)]
    done = check(**{DOMAIN: [*many, "v=spf1 include:sendgrid.net -all"]})
    assert (done.exit_code, name_server.by_tcp > 0) == (0, True), done.output


@pytest.mark.parametrize("domain", ["a..b", "x" * 64 + ".fr", "localhost", " "])
def test_what_is_no_domain_is_refused(check: Check, domain: str) -> None:
    done = check(domain)
    assert (done.exit_code, f"{domain} is no domain" in done.output) == (1, True)


def test_the_policy_of_the_domain_above_counts_for_a_domain_without_one(check: Check) -> None:
    above = [f"v=DMARC1; p=none; sp=reject; rua=mailto:dmarc@{DOMAIN}"]
    done = check(f"mail.{DOMAIN}", "--selector", "s1", **{f"_dmarc.{DOMAIN}": above})
    assert f"ok       _dmarc.{DOMAIN}" in done.output


def test_another_providers_selector_is_asked_for(check: Check, settings_env: Callable[..., None]) -> None:
    settings_env(MAIL_PROVIDERS="smtp")
    assert "not checked; give the provider's --selector" in check().output
    done = check("--selector", "mail", "--json", **{f"mail._domainkey.{DOMAIN}": [f"p={KEY}"]})
    assert [each["grade"] for each in json.loads(done.output)] == ["ok", "ok", "ok"]


def test_a_silent_name_server_is_no_answer(
    check: Check, name_server: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.mail_dns_command._SECONDS", 0.05)
    name_server.zone = None
    done = CliRunner().invoke(mail_dns_command, ["--server", name_server.address])
    assert done.exit_code == 1
    assert f"nothing is known of {DOMAIN}: the name server does not answer" in done.output


@pytest.mark.rule("3.11")
@pytest.mark.parametrize("given", [[], ["--server", "9.9.9.9"], ["--server", "example.org:53"]])
def test_outside_production_only_loopback_is_asked(given: list[str]) -> None:
    done = CliRunner().invoke(mail_dns_command, given)
    assert (done.exit_code, "nothing leaves loopback" in done.output) == (1, True)


@pytest.mark.parametrize("server", ["127.0.0.1:dns", "[::1", "::x:"])
def test_a_server_that_is_none_is_refused(server: str) -> None:
    done = CliRunner().invoke(mail_dns_command, ["--server", server])
    assert (done.exit_code, "is no address" in done.output) == (1, True)


@pytest.mark.parametrize("server", ["::1", "[::1]:5353", "127.0.0.1"])
def test_addresses_of_both_kinds_are_taken(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.mail_dns_command.check_domain", lambda *_, **__: [])
    done = CliRunner().invoke(mail_dns_command, [DOMAIN, "--server", server])
    assert done.exit_code == 0, done.output
