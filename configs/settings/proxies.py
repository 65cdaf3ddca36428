"""PROXY_LIST, typed: each proxy has a name that may be said, and an address that may not."""

import re
from dataclasses import dataclass
from ipaddress import IPv6Address
from urllib.parse import unquote

from pydantic import SecretStr

from configs.settings.value_types import PORT, split_words

_ADDRESS = re.compile(
    r"http://(?:(?P<login>[^\s/?#\[\]\\\x00-\x1f\x7f]+)@)?"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[\w.-]+):(?P<port>" + PORT + r")/?"
)


@dataclass(frozen=True, slots=True)
class Proxy:
    """One proxy. `name` holds no secret; `address` does, and does not show in a repr."""

    name: str
    address: SecretStr

    @property
    def url(self) -> str:
        """Return the address with its secrets, to connect with."""
        return self.address.get_secret_value()


def _can_be_sent(login: str, host: str) -> bool:
    """Return whether HTTP's Basic has signs for a login, and a look-up for a host: else each check would be lost."""
    try:
        unquote(login).encode("latin-1")
        return bool(IPv6Address(host[1:-1]) if host.startswith("[") else host.encode("idna"))
    except ValueError:
        return False


def parse_proxies(text: str) -> tuple[Proxy, ...]:
    """Read `http://user:password@host:port,http://host:port`.

    A proxy is called by host, port and its place in the list: a gateway has several users, one for each session.

    Raises:
        ValueError: an entry is no such address; it is named by its number, for it may hold a password.
    """
    found = []
    for number, address in enumerate(split_words(text), 1):
        match = _ADDRESS.fullmatch(address)
        if not (match and _can_be_sent(match["login"] or "", match["host"])):
            raise ValueError(
                f"entry {number} is no proxy's address: write it as http://user:password@host:port"
            )
        found.append(Proxy(f"{match['host'].lower()}:{match['port']}#{number}", SecretStr(address)))
    return tuple(found)
