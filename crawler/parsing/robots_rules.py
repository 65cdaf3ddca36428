"""Rules of a robots.txt for us: https://www.rfc-editor.org/rfc/rfc9309."""

from functools import lru_cache

from protego import Protego

_NAME = "RDVPriority"
# The longest takes a second, and is asked about each page of its host.
_parse = lru_cache(maxsize=128)(lambda text: Protego.parse(text))


def allows(text: str, url: str) -> bool:
    """Tell whether a robots.txt allows us an address of its host."""
    return bool(_parse(text).can_fetch(url, _NAME))
