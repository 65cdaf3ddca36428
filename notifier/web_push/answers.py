"""Answers of push services, sorted by whether another attempt can help (RFC 8030, sections 5 and 8)."""

from http import HTTPStatus

from api.models.user import ContactState
from configs.retry_after import parse_retry_after
from notifier.channel_base import Acceptance
from notifier.errors import Misconfigured, PermanentError, RateLimited, TemporaryError
from notifier.provider_base import Answer

PROVIDER = "web_push"
_ENDED = {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}
_NOT_TAKEN = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY}
# The signature is refused, or is not the one that the browser subscribed for.
_OURS = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}


def sort_answer(status: int, retry_after: str) -> Answer:
    """Return the answer that a status means; no receipt follows an acceptance."""
    said = f"push service answered {status}"
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Acceptance(PROVIDER, "")
    if status in _ENDED:
        return PermanentError(f"{said}: the subscription ended", ContactState.BLOCKED)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return RateLimited(said, parse_retry_after(retry_after))
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _NOT_TAKEN:
        return TemporaryError(said, parse_retry_after(retry_after))
    if status in _OURS:
        return Misconfigured(f"{said}: check VAPID_PRIVATE_KEY and VAPID_PUBLIC_KEY")
    return PermanentError(said)  # a redirect too: none is followed
