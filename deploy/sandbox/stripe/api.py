"""Answers calls of Stripe's API: key, version, idempotency, the operation, and the answer's JSON and headers."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from deploy.sandbox.stripe.account import API_VERSION, EventCause
from deploy.sandbox.stripe.errors import StripeError
from deploy.sandbox.stripe.expansion import show_expanded
from deploy.sandbox.stripe.form_fields import decode_fields
from deploy.sandbox.stripe.idempotency import IdempotencyKeys, SavedAnswer
from deploy.sandbox.stripe.objects import Json, new_id
from deploy.sandbox.stripe.parameters import Parameters
from deploy.sandbox.stripe.routes import find_operation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deploy.sandbox.stripe.account import Account

_KEY: Final = re.compile(r"[sr]k_(test|live)_[\w-]+")
_KEPT: Final = 20_000  # calls in the log
_PAYMENT_REQUIRED: Final = 402


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


class Api:
    """The API of one account. It answers at once; waiting and breaking is the server's part."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self.keys = IdempotencyKeys()
        self.log: deque[Json] = deque(maxlen=_KEPT)

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
        version = call.headers.get("Stripe-Version")
        entry |= {"idempotency_key": call.key, "api_version": version, "replayed": replayed}
        self.log.append(entry | {"created": self._account.clock.now()})

    def _answer(self, call: ApiCall, request_id: str, *, broken: bool) -> ApiAnswer:
        self._account.live = "_live_" in _check_key(call)
        _check_version(call)
        told = decode_fields(call.encoded)
        moment, fingerprint = self._account.clock.now(), (call.method, call.path, told)
        saved = self.keys.find(call.key, fingerprint, moment)
        if saved is not None:
            replayed = {"Original-Request": saved.request_id, "Idempotent-Replayed": "true"}
            return ApiAnswer(saved.status, saved.body, _headers(request_id, call.key) | replayed)
        made = self._run(call, told, request_id) if not broken else _break(request_id)
        if _is_kept(made):
            answer = SavedAnswer(fingerprint, made.status, made.body, request_id, moment)
            self.keys.save(call.key, answer)
        return ApiAnswer(made.status, made.body, _headers(request_id, call.key))

    def _run(self, call: ApiCall, told: dict[str, Any], request_id: str) -> ApiAnswer:
        operation, ids = find_operation(call.method, call.path)
        given = Parameters(told)
        self._account.cause = EventCause(request_id, call.key)
        try:
            made = operation(self._account, given, *ids)
            shown = show_expanded(self._account, made, given.texts("expand"))
        except StripeError as error:
            return refuse(error, request_id)
        finally:
            self._account.cause = EventCause()
        return ApiAnswer(200, _dump(shown))


def _is_kept(made: ApiAnswer) -> bool:
    """Return whether an answer is kept under the call's key: not one about its parameters."""
    if made.status < 400 or made.status in {_PAYMENT_REQUIRED, 500}:  # noqa: PLR2004 - success
        return True
    return str(json.loads(made.body)["error"].get("code")).startswith(("charge_", "refund_"))


def refuse(error: StripeError, request_id: str | None = None) -> ApiAnswer:
    """Return the answer that says why a call is refused."""
    return ApiAnswer(error.status, _dump(error.body()), _headers(request_id or new_id("req"), None))


def _break(request_id: str) -> ApiAnswer:
    message = "An error occurred on Stripe's side (its stand-in was told to break)."
    return refuse(StripeError(message, status=500, type="api_error"), request_id)


def _headers(request_id: str, key: str | None) -> dict[str, str]:
    told = {"Request-Id": request_id, "Stripe-Version": API_VERSION, "Content-Type": "application/json"}
    return told | ({"Idempotency-Key": key} if key else {})


def _dump(body: Json) -> bytes:
    return json.dumps(body, indent=2, ensure_ascii=False).encode()


def _check_key(call: ApiCall) -> str:
    kind, _, key = call.headers.get("Authorization", "").partition(" ")
    if kind == "Basic":
        try:
            key = base64.b64decode(key).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            key = ""
    if not key:
        message = "You did not provide an API key. You need to provide it in the Authorization header."
        raise StripeError(message, status=401)
    if not _KEY.fullmatch(key):
        raise StripeError(f"Invalid API Key provided: {key[:8]}****", status=401)
    return key


def _check_version(call: ApiCall) -> None:
    told = call.headers.get("Stripe-Version")
    if told is not None and told != API_VERSION:
        message = f"Invalid Stripe API version: {told}. Stripe's stand-in knows {API_VERSION}."
        raise StripeError(message)
