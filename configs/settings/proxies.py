"""PROXY_LIST, typed: each proxy has a name that may be said, and an address that may not."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from pydantic import SecretStr

from configs.settings.value_types import refuse_twice, split_words


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
    addresses = refuse_twice(split_words(text))
    places = [_read_place(number, address) for number, address in enumerate(addresses, 1)]
    found = []
    for number, (place, address) in enumerate(zip(places, addresses, strict=True), 1):
        name = f"{place}#{places[:number].count(place)}" if places.count(place) > 1 else place
        found.append(Proxy(name, SecretStr(address)))
    return tuple(found)


def _read_place(number: int, address: str) -> str:
    """Return where a proxy listens, as `host:port`."""
    try:
        parts = urlsplit(address)
        whole = parts.scheme == "http" and parts.hostname and parts.port
    except ValueError:  # .port is no number, or a bracket is missing
        whole = None
    is_clean = address.isprintable() and " " not in address
    if not whole or not is_clean or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f"entry {number} is no proxy's address: write it as http://user:password@host:port")
    return parts.netloc.rpartition("@")[2].lower()
