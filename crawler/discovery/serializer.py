"""How requests lie in Redis: as JSON, never as pickles, which run whatever code somebody put there.

scrapy-redis takes any object with `dumps` and `loads` (SCHEDULER_SERIALIZER).
"""

import json
from typing import Any

_KEPT = ("url", "callback", "errback", "meta", "priority", "dont_filter")  # ours are plain GETs


def dumps(request: dict[str, Any]) -> str:
    """Return a request, as `Request.to_dict` gives it, as one text: the same request, the same text."""
    return json.dumps({name: request[name] for name in _KEPT}, sort_keys=True, ensure_ascii=False)


def loads(text: str | bytes) -> dict[str, Any]:
    """Return what `request_from_dict` makes a request of.

    Raises:
        ValueError: it is no such text.
    """
    told = json.loads(text)
    if not isinstance(told, dict) or not set(told) <= set(_KEPT):
        raise ValueError(f"no request of ours: {text!r:.200}")
    return told
