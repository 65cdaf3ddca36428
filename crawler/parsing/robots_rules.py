"""Rules of a robots.txt for us: https://www.rfc-editor.org/rfc/rfc9309."""

from protego import Protego

_NAME = "RDVPriority"


def allows(text: str, url: str) -> bool:
    """Tell whether a robots.txt allows us an address of its host."""
    return bool(Protego.parse(text).can_fetch(url, _NAME))
