"""Redaction of proofs: they contain no secret of our settings, and no session token in their addresses.

A body is stored as fetched, or not at all: an altered body proves nothing, so a body that repeats a secret is refused.
No data of a user is ever sent to a site, so none can come back.
"""

import re
from urllib.parse import urlsplit

from pydantic import SecretStr

from configs.ground.logs import MASK, mask_text
from configs.settings import settings
from configs.settings.proxies import Proxy

_SHORTEST = 8  # characters; a shorter text may occur by chance
_TOKENS = re.compile(
    r"(?i)([?&;](?:[\w.%-]*(?:token|sess(?:ion|id)|csrf|xsrf|secret|passw|signature|auth|api_?key)[\w.%-]*|sid|ticket)=)"
    r"[^?&#;\s'\"<>]*"
)


def mask_tokens(text: str) -> str:
    """Return a text without the tokens and passwords in its addresses, and without what logs mask."""
    return mask_text(_TOKENS.sub(rf"\g<1>{MASK}", text))


def secret_in(body: bytes) -> str | None:
    """Return the name of a setting whose secret a page repeats; None without one."""
    for name in type(settings()).model_fields:
        if any(secret in body for secret in _secrets(getattr(settings(), name))):
            return name.upper()
    return None


def _secrets(value: object) -> list[bytes]:
    """Return the secrets of a setting: its value, and the passwords of addresses in it."""
    if isinstance(value, tuple):
        return [secret for each in value if isinstance(each, Proxy) for secret in _secrets(each.address)]
    if not isinstance(value, SecretStr):
        return []
    text = value.get_secret_value()
    password = (urlsplit(text).password or "") if "://" in text else ""
    return [each.encode() for each in (text, password) if len(each) >= _SHORTEST]
