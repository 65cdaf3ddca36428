"""Answers calls of Stripe's API: key, version, idempotency, the operation, and the answer's JSON and headers.

https://docs.stripe.com/api/idempotent_requests: the first answer to a key is the answer to all calls with it.
"""

from __future__ import annotations

import json
import re
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from deploy.sandbox.stripe.account import API_VERSION
from deploy.sandbox.stripe.objects import Json, StripeError, new_id
from deploy.sandbox.stripe.parameters import Parameters, decode_fields
from deploy.sandbox.stripe.routes import find_operation, show_expanded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from deploy.sandbox.stripe.account import Account

_API_KEY: Final = re.compile(r"[sr]k_(test|live)_[\w-]+")
_KEPT_CALLS: Final = 20_000
_KEPT_SECONDS: Final = 24 * 3600
_LONGEST_KEY: Final = 255
_SUCCESS: Final = 200
_SAVED_FAILURES: Final = (402, 500)


@dataclass(frozen=True)
class ApiCall:
    """A call as it came; ``encoded`` are its form fields, of the body or of the address."""

    method: str
    path: str
    encoded: str
    headers: Mapping[str, str]

    @property
    def key(self) -> str | None:
        """Return the idempotency key; only POST has one."""
        return self.headers.get("Idempotency-Key") if self.method == "POST" else None


@dataclass(frozen=True)
class ApiAnswer:
    """A status, a JSON body and headers."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SavedAnswer:
    """What a key was first used for, and how that was answered."""

    fingerprint: tuple[Any, ...]
    answer: ApiAnswer
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
        if key and len(key) > _LONGEST_KEY:
            raise StripeError("Idempotency keys have up to 255 characters.", type="idempotency_error")
        if key in self._in_use:
            message = "There is currently another in-progress request using this Idempotent Key."
            raise StripeError(message, code="idempotency_key_in_use", status=409)
        held = {key} if key else set()
        self._in_use |= held
        try:
            yield
        finally:
            self._in_use -= held

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


class Api:
    """The API of one account. It answers at once; waiting and breaking is the server's part."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self.keys = IdempotencyKeys()
        self.log: deque[Json] = deque(maxlen=_KEPT_CALLS)

    def answer(self, call: ApiCall, *, broken: bool = False) -> ApiAnswer:
        """Answer a call and note it; ``broken``: by an error 500 that is kept under its key."""
        request_id = new_id("req")
        self._account.clock.run_due()
        try:
            made = self._answer(call, request_id, broken=broken)
        except StripeError as error:
            made = refuse(error, request_id)
        self._account.clock.run_due()
        self.note(call, made.status, replayed="Idempotent-Replayed" in made.headers)
        return made

    def note(
        self, call: ApiCall, status: int | None, *, mode: str = "normal", replayed: bool = False
    ) -> None:
        """Keep what was asked and how it was answered; None: not at all."""
        try:
            told = decode_fields(call.encoded)
        except StripeError:
            told = {"": call.encoded}
        entry = {"method": call.method, "path": call.path, "parameters": told, "status": status, "mode": mode}
        entry |= {"idempotency_key": call.key, "api_version": call.headers.get("Stripe-Version")}
        self.log.append(entry | {"replayed": replayed, "created": self._account.clock.now()})

    def _answer(self, call: ApiCall, request_id: str, *, broken: bool) -> ApiAnswer:
        self._account.live = "_live_" in _check_key(call)
        _check_version(call)
        told = decode_fields(call.encoded)
        moment, fingerprint = self._account.clock.now(), (call.method, call.path, told)
        if saved := self.keys.find(call.key, fingerprint, moment):
            replayed = {"Original-Request": saved.request_id, "Idempotent-Replayed": "true"}
            headers = _headers(request_id, call.key) | replayed
            return ApiAnswer(saved.answer.status, saved.answer.body, headers)
        made = self._run(call, told, request_id) if not broken else refuse(break_error(), request_id)
        if _is_kept(made):
            self.keys.save(call.key, SavedAnswer(fingerprint, made, request_id, moment))
        return ApiAnswer(made.status, made.body, _headers(request_id, call.key))

    def _run(self, call: ApiCall, told: Json, request_id: str) -> ApiAnswer:
        operation, ids = find_operation(call.method, call.path)
        given = Parameters(told)
        self._account.cause = (request_id, call.key)
        try:
            made = operation(self._account, given, *ids)
            return ApiAnswer(_SUCCESS, _dump(show_expanded(self._account, made, given.texts("expand"))))
        except StripeError as error:
            return refuse(error, request_id)
        finally:
            self._account.cause = (None, None)


def _is_kept(made: ApiAnswer) -> bool:
    """Return whether an answer is kept under the call's key: not one about its parameters."""
    if made.status == _SUCCESS or made.status in _SAVED_FAILURES:
        return True
    return str(json.loads(made.body)["error"].get("code")).startswith(("charge_", "refund_"))


def refuse(error: StripeError, request_id: str | None = None) -> ApiAnswer:
    """Return the answer that says why a call is refused."""
    return ApiAnswer(
        error.status, _dump({"error": error.fields}), _headers(request_id or new_id("req"), None)
    )


def break_error() -> StripeError:
    """Return the error of a call that broke on Stripe's side."""
    return StripeError("An error occurred on Stripe's side.", status=500, type="api_error")


def _headers(request_id: str, key: str | None) -> dict[str, str]:
    told = {"Request-Id": request_id, "Stripe-Version": API_VERSION, "Content-Type": "application/json"}
    return told | ({"Idempotency-Key": key} if key else {})


def _dump(body: Json) -> bytes:
    return json.dumps(body, indent=2, ensure_ascii=False).encode()


def _check_key(call: ApiCall) -> str:
    key = call.headers.get("Authorization", "").removeprefix("Bearer ").strip()
    if not key:
        message = "You did not provide an API key. You need to provide it in the Authorization header."
        raise StripeError(message, status=401)
    if not _API_KEY.fullmatch(key):
        raise StripeError(f"Invalid API Key provided: {key[:8]}****", status=401)
    return key


def _check_version(call: ApiCall) -> None:
    told = call.headers.get("Stripe-Version")
    if told is not None and told != API_VERSION:
        raise StripeError(f"Invalid Stripe API version: {told}. Stripe's stand-in knows {API_VERSION}.")
