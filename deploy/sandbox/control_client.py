"""Client of the stand-ins' controls, for other programs."""

import json
import urllib.error
import urllib.request
from typing import Any, Final

from deploy.sandbox.request_body import Refusal

_PATIENCE: Final = 30.0


def ask(url: str, body: object = None) -> Any:
    """Ask a stand-in's control for JSON, by POST where there is a body.

    Raises:
        Refusal: it says what is wrong.
        OSError: nothing answers there.
    """
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})  # noqa: S310 -- our own address
    try:
        with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:  # noqa: S310 -- as above
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        told = json.loads(error.read())
        raise Refusal(told["error"], known=told.get("known", ()), status=error.code) from None
