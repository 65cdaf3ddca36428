"""The command `flask mail-dns`, which checks SPF, DKIM and DMARC of the sender's domain."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict
from email.utils import parseaddr

import click
import dns.exception
import dns.name
import dns.resolver

from api.mail_dns import SENDGRID_SELECTORS, Finding, Grade, NoAnswerError, check_domain
from configs.ground.hosts import is_loopback
from configs.ground.logs import set_up_logs
from configs.settings import SettingMissing, SettingsRefused, settings

_SECONDS = 5.0  # for one question
_MESSAGE_BYTES = 1232  # https://www.dnsflagday.net/2020/


@click.command("mail-dns")
@click.argument("domain", required=False)
@click.option(
    "--selector", "selectors", multiple=True, help="Of a DKIM key; SendGrid's are s1 and s2. Repeatable."
)
@click.option(
    "--server", metavar="ADDRESS[:PORT]", help="The name server to ask; the machine's own without it."
)
@click.option("--json", "as_json", is_flag=True, help="For programs: a list of findings.")
def mail_dns_command(
    domain: str | None, selectors: Sequence[str], server: str | None, *, as_json: bool
) -> None:
    """Check the DNS records without which mail from DOMAIN (EMAIL_FROM's) is refused. Exit code 1: one is wrong."""
    try:
        set_up_logs("api")
        providers = settings().mail_providers
        name = _read_domain(domain or parseaddr(settings().email_from)[1].rpartition("@")[2])
        resolver = _make_resolver(server)
    except (SettingMissing, SettingsRefused) as error:
        raise click.ClickException(str(error)) from None
    by_sendgrid = "sendgrid" in providers
    wanted = selectors or (SENDGRID_SELECTORS if by_sendgrid else ())
    findings = check_domain(name, wanted, _read_with(resolver), by_sendgrid=by_sendgrid)
    if not wanted:
        findings.append(Finding(name, Grade.WARNING, "DKIM: not checked; give the provider's --selector"))
    if as_json:
        click.echo(json.dumps([asdict(each) for each in findings], ensure_ascii=False))
    else:
        for each in findings:
            click.echo(f"{each.grade:7}  {each.name}  {each.says}")
    if any(each.grade is Grade.FAILED for each in findings):
        raise SystemExit(1)


def _make_resolver(server: str | None) -> dns.resolver.Resolver:
    host, port = _split_address(server) if server else ("", 53)
    if settings().app_env != "production" and not is_loopback(host):
        says = "outside production nothing leaves loopback: give --server an address there, or set APP_ENV=production"
        raise click.ClickException(says)
    try:
        made = dns.resolver.Resolver(configure=not host)
        if host:
            made.nameservers, made.port = [host], port
    except (dns.exception.DNSException, ValueError) as error:
        raise click.ClickException(f"no name server to ask, give --server an address: {error}") from None
    made.lifetime = _SECONDS
    made.use_edns(0, 0, _MESSAGE_BYTES)
    return made


def _read_domain(text: str) -> str:
    try:
        name = dns.name.from_text(text).to_text(omit_final_dot=True).lower()
    except dns.exception.DNSException:
        name = ""
    if "." not in name:
        raise click.ClickException(f"{text} is no domain: write example.org")
    return name


def _split_address(text: str) -> tuple[str, int]:
    """Read `9.9.9.9`, `9.9.9.9:53`, `::1` or `[::1]:53`."""
    found = re.fullmatch(r"\[([^\]]+)\](?::(\d+))?|([^:]+)(?::(\d+))?|([\da-f:]+)", text, re.IGNORECASE)
    if found is None:
        raise click.ClickException(f"--server {text} is no address: write 9.9.9.9 or 127.0.0.1:5353")
    return found[1] or found[3] or found[5], int(found[2] or found[4] or 53)


def _read_with(resolver: dns.resolver.Resolver) -> Callable[[str], list[str]]:
    def read_txt(name: str) -> list[str]:
        try:
            answer = resolver.resolve(name, "TXT", search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except dns.resolver.NoNameservers as error:
            said = re.search(r"answered ([A-Z]+)", str(error))
            raise NoAnswerError(name, said[1] if said else "nothing usable") from None
        except dns.exception.DNSException as error:
            why = type(error).__name__
            raise click.ClickException(
                f"nothing is known of {name}: the name server does not answer ({why})"
            ) from None
        return [b"".join(each.strings).decode("utf-8", "replace") for each in answer]

    return read_txt
