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

Zone = dict[str, list[str] | str]  # TXT records, or the name that another leads to
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
    """Answers questions for TXT from `zone`; silent where `zone` is None."""

    def __init__(self) -> None:
        self.zone: Zone | None = {}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._serve, name="names", daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                question, asker = self._socket.recvfrom(4096)
            except OSError:
                return
            if self.zone is not None and question:
                self._socket.sendto(answer(dns.message.from_wire(question), self.zone).to_wire(), asker)

    def close(self) -> None:
        self._socket.close()


def answer(question: dns.message.Message, zone: Zone) -> dns.message.Message:
    reply = dns.message.make_response(question)
    reply.flags |= dns.flags.RA
    name = question.question[0].name.to_text().rstrip(".")
    if name not in zone:
        reply.set_rcode(dns.rcode.NXDOMAIN)
        return reply
    found = zone[name]
    while isinstance(found, str):
        reply.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", "CNAME", f"{found}."))
        name, found = found, zone[found]
    if found:
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

    def run(*given: str, **changed: list[str] | None) -> Any:
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
    (DOMAIN, [f"v=spf1 include:{DOMAIN} include:sendgrid.net -all"], "ok", 0),  # that never ends
    (f"s2._domainkey.{DOMAIN}", None, "DKIM: no records with a key", 1),
    (f"s2._domainkey.{DOMAIN}", ["v=DKIM1; p="], "the key is withdrawn", 1),
    (f"s2._domainkey.{DOMAIN}", ["v=DKIM1; p=MIGf.broken"], "cannot be read", 1),
    (f"s2._domainkey.{DOMAIN}", [f"v=DKIM1; p={SHORT_KEY}"], "a key of 1024 bits; better 2048", 0),
    (f"s2._domainkey.{DOMAIN}", [f"v=DKIM1; t=y:s; p={KEY}"], "t=y says that it is a test", 0),
    (f"s2._domainkey.{DOMAIN}", ["v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="], "ed25519", 0),
    (f"_dmarc.{DOMAIN}", None, "DMARC: no records", 1),
    (f"_dmarc.{DOMAIN}", ["v=DMARC1; p=none; rua=mailto:x@example.org"], "only watches", 0),
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


def test_a_server_that_is_none_is_refused() -> None:
    done = CliRunner().invoke(mail_dns_command, ["--server", "127.0.0.1:dns"])
    assert (done.exit_code, "is no address" in done.output) == (1, True)
