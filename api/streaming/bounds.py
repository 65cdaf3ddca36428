"""Bounds of live streams, and who may open one: by network address, by person, and by the page's origin."""

from collections import Counter
from urllib.parse import urlsplit

from starlette.requests import Request

from configs.ground.contact_addresses import group_network_address
from configs.settings import settings

_PER_ADDRESS, _PER_PERSON = 50, 10
_OWN = {"same-origin", "none"}  # of Sec-Fetch-Site: without an Origin, no other site asks


class StreamBounds:
    """How many streams there are, by address and by person."""

    def __init__(self) -> None:
        self._counts: Counter[object] = Counter()

    def has_room(self, key: object, *, per_person: bool = False) -> bool:
        """Whether one more stream of this address or person is allowed."""
        return self._counts[key] < (_PER_PERSON if per_person else _PER_ADDRESS)

    def take(self, key: object) -> None:
        """Count a stream."""
        self._counts[key] += 1

    def give_back(self, key: object) -> None:
        """Count a stream no more."""
        self._counts[key] -= 1
        if self._counts[key] <= 0:
            del self._counts[key]


def find_address(request: Request) -> str:
    """Return the network address to count a client by, behind as many proxies as PROXY_HOPS says: of IPv6 its /64."""
    hops = settings().proxy_hops or 0
    named = [each.strip() for each in request.headers.get("x-forwarded-for", "").split(",") if each.strip()]
    if hops and len(named) >= hops:
        return group_network_address(named[-hops])
    return group_network_address(request.client.host) if request.client else "nobody"


def name_origin(address: str) -> str:
    """Return the origin of an address."""
    parts = urlsplit(address.rstrip("/"))
    return f"{parts.scheme}://{parts.netloc}"


def is_own_page(request: Request) -> bool:
    """Whether one of our pages asks, or no page at all: its cookie may be read."""
    origin = request.headers.get("origin")
    if origin is None:
        return request.headers.get("sec-fetch-site", "none") in _OWN
    return origin == name_origin(str(settings().api_url))


def is_front_end(request: Request) -> bool:
    """Whether the front end asks, or no page at all, with a token in the header."""
    allowed = {None, name_origin(str(settings().frontend_url)), name_origin(str(settings().api_url))}
    return request.headers.get("origin") in allowed
