"""What must not stand in a proof: secrets of ours. Nothing of a user is ever sent to a site, so none comes back.

A body is kept as it was fetched, or not at all: one that repeats a secret of ours is refused, since a body that was
altered proves nothing. In addresses, whatever carries a visit's own tokens is masked.
"""

import re
from urllib.parse import urlsplit

from pydantic import SecretStr

from configs.masking import MASK, mask_text
from configs.settings import settings

_SHORTEST = 8  # characters; anything shorter would be met by chance
_TOKENS = re.compile(
    r"(?i)([?&;](?:[\w.%-]*(?:token|sess(?:ion|id)|csrf|xsrf|secret|passw|signature|auth|api_?key)[\w.%-]*|sid|ticket)=)"
    r"[^?&#;\s'\"<>]*"
)


def masked(text: str) -> str:
    """Return an address, or a text that may hold some, without tokens, passwords and what logs leave out."""
    return mask_text(_TOKENS.sub(rf"\g<1>{MASK}", text))


def secret_in(body: bytes) -> str | None:
    """Return the name of a setting whose secret a page repeats; None where it repeats none."""
    for name in type(settings()).model_fields:
        value = getattr(settings(), name)
        if isinstance(value, SecretStr) and any(each in body for each in _parts(value.get_secret_value())):
            return name.upper()
    return None


def _parts(secret: str) -> list[bytes]:
    """Return a secret, and the passwords of the addresses that it lists."""
    passwords = [urlsplit(each).password or "" for each in secret.split(",") if "://" in each]
    return [each.encode() for each in (secret, *passwords) if len(each) >= _SHORTEST]
