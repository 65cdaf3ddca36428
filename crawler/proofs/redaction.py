"""What must not stand in a proof: secrets of ours. Nothing of a user is ever sent to a site, so none comes back.

A body is kept as it was fetched, or not at all: one that repeats a secret of ours is refused, since a body that was
altered proves nothing. In addresses, whatever carries a visit's own tokens is masked.
"""

import re
from urllib.parse import urlsplit

from pydantic import SecretStr

from configs.proxies import Proxy
from configs.redaction import MASK, mask_text
from configs.settings import settings

_SHORTEST = 8  # characters; anything shorter would be met by chance
_TOKENS = re.compile(
    r"(?i)([?&;](?:[\w.%-]*(?:token|sess(?:ion|id)|csrf|xsrf|secret|passw|signature|auth|api_?key)[\w.%-]*|sid|ticket)=)"
    r"[^?&#;\s'\"<>]*"
)


def mask_tokens(text: str) -> str:
    """Return an address, or a text that may hold some, without tokens, passwords and what logs leave out."""
    return mask_text(_TOKENS.sub(rf"\g<1>{MASK}", text))


def secret_in(body: bytes) -> str | None:
    """Return the name of a setting whose secret a page repeats; None where it repeats none."""
    for name in type(settings()).model_fields:
        if any(secret in body for secret in _secrets(getattr(settings(), name))):
            return name.upper()
    return None


def _secrets(value: object) -> list[bytes]:
    """Return the secrets that a setting holds: itself, and the passwords of addresses."""
    if isinstance(value, tuple):
        return [secret for each in value if isinstance(each, Proxy) for secret in _secrets(each.address)]
    if not isinstance(value, SecretStr):
        return []
    text = value.get_secret_value()
    password = (urlsplit(text).password or "") if "://" in text else ""
    return [each.encode() for each in (text, password) if len(each) >= _SHORTEST]
