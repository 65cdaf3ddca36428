"""Which sites a walk may ask here: all of them in production, stand-ins elsewhere."""

from configs.prefecture import Prefecture, prefectures
from configs.settings import settings
from crawler.sites import AddressRefused, on_wire, refuse_far


def walkable() -> list[Prefecture]:
    """Return the prefectures whose sites may be asked here.

    Raises:
        AddressRefused: none may; says how to allow more.
    """
    current, found, refused = settings(), [], None
    for place in prefectures().values():
        try:
            refuse_far(on_wire(place.site, current.sandbox_hosts), current)
        except AddressRefused as error:
            refused = error
        else:
            found.append(place)
    if not found and refused:
        raise refused
    return found
