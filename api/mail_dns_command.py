"""The command `flask mail-dns`, which checks SPF, DKIM and DMARC of the sender's domain."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from email.utils import parseaddr

import click
import dns.exception
import dns.resolver

from api.mail_dns import SENDGRID_SELECTORS, Finding, Grade, check_domain
from configs.hosts import is_loopback
from configs.logs import set_up_logs
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
        name = domain or parseaddr(settings().email_from)[1].rpartition("@")[2]
        resolver = _make_resolver(server)
    except (SettingMissing, SettingsRefused) as error:
        raise click.ClickException(str(error)) from None
    by_sendgrid = "sendgrid" in providers
    wanted = selectors or (SENDGRID_SELECTORS if by_sendgrid else ())
    findings = check_domain(name.lower().rstrip("."), wanted, _read_with(resolver), by_sendgrid=by_sendgrid)
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
    made = dns.resolver.Resolver(configure=not host)
    if host:
        made.nameservers, made.port = [host], port
    made.lifetime = _SECONDS
    made.use_edns(0, 0, _MESSAGE_BYTES)
    return made


def _split_address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":") if text.count(":") == 1 else (text, "", "53")
    if not port.isdigit():
        raise click.ClickException(f"--server {text} is no address: write 9.9.9.9 or 127.0.0.1:5353")
    return host, int(port)


def _read_with(resolver: dns.resolver.Resolver) -> Callable[[str], list[str]]:
    def read_txt(name: str) -> list[str]:
        try:
            answer = resolver.resolve(name, "TXT", search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except dns.exception.DNSException as error:
            why = type(error).__name__
            raise click.ClickException(
                f"nothing is known of {name}: the name server does not answer ({why})"
            ) from None
        return [b"".join(each.strings).decode("utf-8", "replace") for each in answer]

    return read_txt
