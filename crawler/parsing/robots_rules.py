"""Rules of a robots.txt for us: https://www.rfc-editor.org/rfc/rfc9309."""

from functools import lru_cache

from protego import Protego

_NAME = "RDVPriority"


def allows(text: str, url: str) -> bool:
    """Tell whether a robots.txt allows us an address of its host."""
    return bool(_parse(text).can_fetch(url, _NAME))


@lru_cache(maxsize=128)
def _parse(text: str) -> Protego:
    """Parse it once for all pages of its host: the longest takes a second."""
    return Protego.parse(text)
