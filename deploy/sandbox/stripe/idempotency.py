"""Idempotency keys: the first answer to a key is the answer to all calls with it.

https://docs.stripe.com/api/idempotent_requests
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from deploy.sandbox.stripe.errors import StripeError

if TYPE_CHECKING:
    from collections.abc import Iterator

_KEPT_SECONDS: Final = 24 * 3600
_LONGEST: Final = 255


@dataclass(frozen=True)
class SavedAnswer:
    """What a key was first used for, and how that was answered."""

    fingerprint: tuple[Any, ...]
    status: int
    body: bytes
    request_id: str
    created: int


class IdempotencyKeys:
    """The keys of the last 24 hours."""

    def __init__(self) -> None:
        self._saved: dict[str, SavedAnswer] = {}
        self._in_use: set[str] = set()

    @contextmanager
    def hold(self, key: str | None) -> Iterator[None]:
        """Hold a key while its call is answered.

        Raises:
            StripeError: another call holds it (409), or it is too long.
        """
        if key is None:
            yield
            return
        if len(key) > _LONGEST:
            raise StripeError("Idempotency keys have up to 255 characters.", type="idempotency_error")
        if key in self._in_use:
            message = "There is currently another in-progress request using this Idempotent Key."
            raise StripeError(message, code="idempotency_key_in_use", status=409)
        self._in_use.add(key)
        try:
            yield
        finally:
            self._in_use.discard(key)

    def find(self, key: str | None, fingerprint: tuple[Any, ...], moment: int) -> SavedAnswer | None:
        """Return the answer to a key.

        Raises:
            StripeError: the key was used for another call (400).
        """
        saved = self._saved.get(key or "")
        if saved is None or saved.created + _KEPT_SECONDS <= moment:
            return None
        if saved.fingerprint != fingerprint:
            message = (
                "Keys for idempotent requests can only be used with the same parameters they were first used "
                f"with. Try using a key other than '{key}' if you meant to execute a different request."
            )
            raise StripeError(message, type="idempotency_error")
        return saved

    def save(self, key: str | None, answer: SavedAnswer) -> None:
        """Keep the answer to a key."""
        if key is not None:
            self._saved[key] = answer
