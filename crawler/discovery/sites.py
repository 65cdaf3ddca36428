"""Which sites a walk may ask here (all of them in production, stand-ins elsewhere), and which one a page is of."""

from scrapy import Request

from configs.hosts import host_of
from configs.prefecture import Prefecture, prefectures
from configs.settings import settings
from crawler.url_policy import AddressRefused, ensure_allowed, resolve_stand_in


def walkable() -> list[Prefecture]:
    """Return the prefectures whose sites may be asked here.

    Raises:
        AddressRefused: none may; says how to allow more.
    """
    current, found, refused = settings(), [], None
    for place in prefectures().values():
        try:
            ensure_allowed(resolve_stand_in(place.site, current.sandbox_hosts), current)
        except AddressRefused as error:
            refused = error
        else:
            found.append(place)
    if not found and refused:
        raise refused
    return found


def site_of(request: Request) -> str:
    """Return whose turn a request needs: its host, as `name:port`."""
    return host_of(request.url)
