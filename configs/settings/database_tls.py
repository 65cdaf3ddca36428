"""TLS to the database: an address that leaves this machine must verify the server by its certificate and name."""

from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from configs.ground.hosts import is_loopback
from configs.settings.keys import ADDRESSES, read_text

if TYPE_CHECKING:
    from configs.settings import Settings


def find_unverified(current: "Settings") -> Iterator[str]:
    """Name each address of a database elsewhere that lacks `sslmode=verify-full`.

    A name without a dot is a service in Compose's internal network, which is on this host.
    https://www.postgresql.org/docs/18/libpq-ssl.html
    """
    for name in ADDRESSES:
        address = read_text(current, name)
        if name.startswith("database_url") and address and _is_unverified(address):
            yield (
                f"{name.upper()} leaves this machine without sslmode=verify-full:"
                " add ?sslmode=verify-full&sslrootcert=FILE, the authority's certificate"
            )


def _is_unverified(address: str) -> bool:
    try:
        parts = urlsplit(address)
        options = parse_qs(parts.query)
        host = options.get("host", [parts.hostname or ""])[-1]
    except ValueError:
        return False  # an address that cannot be read is refused for that
    is_here = host.startswith("/") or is_loopback(host) or not set(host) & {".", ":"}
    return not is_here and options.get("sslmode") != ["verify-full"]
