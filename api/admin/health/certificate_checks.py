"""Health of the site's certificate, as visitors get it.

It is asked for at API_URL and FRONTEND_URL, so what renews, copies and loads it is seen too. One that ends soon is
named before browsers refuse it.
"""

import socket
import ssl
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from redis import Redis

from api.admin.health.findings import raise_troubles
from configs.ground.addresses import is_loopback
from configs.ground.clock import clock
from configs.ground.text import format_duration
from configs.settings import settings

SOON = timedelta(days=10)  # certbot renews a month before the end
_PATIENCE = 1.0


def check_certificates(_: Redis) -> str:
    """Look at the certificate of each address; return until when all are good."""
    addresses = sorted(filter(None, map(_read_address, {settings().api_url, settings().frontend_url})))
    described = [_describe(host, port) for host, port in addresses]
    raise_troubles([text for text, is_good in described if not is_good])
    return "; ".join(text for text, _ in described) or "none: API_URL is not https"


def read_days_left() -> dict[str, float]:
    """Return for how many days browsers will take each certificate, by host; none that cannot be seen from here."""
    found: dict[str, float] = {}
    for host, port in filter(None, map(_read_address, {settings().api_url, settings().frontend_url})):
        try:
            found[host] = (_read_end(host, port) - clock()) / timedelta(days=1)
        except ssl.SSLCertVerificationError:
            found[host] = 0.0
        except (OSError, ValueError):
            continue
    return found


def _read_address(url: str) -> tuple[str, int] | None:
    parts = urlsplit(url)
    host = parts.hostname or ""
    is_ours = not settings().loopback_only or is_loopback(host)
    return (host, parts.port or 443) if parts.scheme == "https" and host and is_ours else None


def _describe(host: str, port: int) -> tuple[str, bool]:
    """Return one certificate's state in words, and whether it is good."""
    try:
        ends_at = _read_end(host, port)
    except ssl.SSLCertVerificationError as error:
        return f"visitors of {host} are refused: {error.verify_message}", False
    except ConnectionRefusedError:  # the name leads to a machine that listens there no more
        return f"nothing listens at {host}: is nginx running?", False
    except (OSError, ValueError) as error:  # the way out and back in is closed on some machines
        return f"that of {host} cannot be seen from here ({type(error).__name__})", True
    left = ends_at - clock()
    if left <= timedelta():
        return f"visitors of {host} are refused: certificate has expired", False
    if left < SOON:
        return (
            f"that of {host} ends in {format_duration(left)}: the log of `certbot` says why it was not renewed",
            False,
        )
    return f"that of {host} ends in {format_duration(left)}", True


def _read_end(host: str, port: int) -> datetime:
    """Return when a certificate ends, as a browser would find it.

    Raises:
        OSError: nothing answers; ssl.SSLCertVerificationError, which is one: a browser would refuse it.
    """
    with (
        socket.create_connection((host, port), timeout=_PATIENCE) as plain,
        ssl.create_default_context().wrap_socket(plain, server_hostname=host) as encrypted,
    ):
        found = encrypted.getpeercert() or {}
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(found["notAfter"])), UTC)
