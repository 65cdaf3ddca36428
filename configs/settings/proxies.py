"""PROXY_LIST, typed: each proxy has a name that may be said, and an address that may not."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from pydantic import SecretStr

from configs.settings.value_types import split_words

_SHAPE = "write it as http://user:password@host:port"


@dataclass(frozen=True, slots=True)
class Proxy:
    """One proxy. `name` holds no secret; `address` does, and does not show in a repr."""

    name: str
    address: SecretStr

    @property
    def url(self) -> str:
        """Return the address with its secrets, to connect with."""
        return self.address.get_secret_value()


def parse_proxies(text: str) -> tuple[Proxy, ...]:
    """Read `http://user:password@host:port,http://host:port`.

    A proxy is called by host and port; several users of one (a gateway's sessions) are told apart by a number.

    Raises:
        ValueError: an entry is no such address, or stands there twice; it is named by its number, for it may hold a
            password.
    """
    addresses = split_words(text)
    if len(set(addresses)) < len(addresses):
        raise ValueError("names a proxy twice: keep one")
    places = [_checked(number, address) for number, address in enumerate(addresses, 1)]
    found = []
    for number, (place, address) in enumerate(zip(places, addresses, strict=True)):
        same = places[: number + 1].count(place)
        name = f"{place}#{same}" if places.count(place) > 1 else place
        found.append(Proxy(name, SecretStr(address)))
    return tuple(found)


def _checked(number: int, address: str) -> str:
    """Return where a proxy listens, as `host:port`."""
    try:
        parts = urlsplit(address)
        whole = bool(parts.hostname and parts.port)
    except ValueError:  # .port is no number, or a bracket is missing
        whole = False
    if not whole or not address.isprintable() or " " in address:
        raise ValueError(f"entry {number} is no proxy's address: {_SHAPE}")
    if parts.scheme != "http":
        raise ValueError(
            f"entry {number} is of the kind {parts.scheme}://, which is not spoken here: {_SHAPE}"
        )
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f"entry {number} has something behind its port: {_SHAPE}")
    return parts.netloc.rpartition("@")[2].lower()
