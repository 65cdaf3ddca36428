"""Stripe's client of this process, and the one way to call it: in time, behind the circuit breaker.

The only importer of `stripe`, which takes half a second and 7 MB. The API and the background program load it once,
before they fork: otherwise the first webhook would wait for it.
"""

import logging
import os
from collections.abc import Callable
from functools import lru_cache
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import urlsplit

import requests
import stripe
from stripe import StripeClient

from api.payments.gateway.errors import StripeAway, StripeForbidden, StripeRefused
from configs.ground.addresses import is_loopback
from configs.programs.circuit_breaker import CircuitBreaker, CircuitOpen
from configs.settings import Constant, SettingMissing, settings

# Longest wait for a connection to Stripe
stripe_connect_seconds = Constant("STRIPE_CONNECT_SECONDS", 3.0)
# Longest wait for an answer of Stripe's
stripe_answer_seconds = Constant("STRIPE_ANSWER_SECONDS", 10.0)
# How long Stripe is left alone after three failures in a row; then one call tries again
stripe_rest_seconds = Constant("STRIPE_REST_SECONDS", 15.0)

# The library's own: the shape of its answers is what facts.py reads. A new one is a change of both.
API_VERSION = "2026-10-28.endive"
_LONGEST_PAUSE = 60.0  # seconds; Stripe's own Retry-After is of seconds
# What Stripe answers on purpose. All else is no answer: a gateway's page, a broken body, an error of Stripe's own.
_REFUSALS = (stripe.InvalidRequestError, stripe.CardError)
_WRONG_KEY = (stripe.AuthenticationError, stripe.PermissionError)
_ASKED_WRONG = (stripe.RateLimitError, stripe.IdempotencyError)  # too often, or with other parameters

Answer = TypeVar("Answer")


def call(ask: Callable[[StripeClient], Answer]) -> Answer:
    """Make one call: `call(lambda client: client.v1.refunds.retrieve("re_1"))`. Hold no transaction meanwhile.

    Raises:
        StripeAway: no answer, an error of Stripe's own, or it is left alone after such; the call may have been taken.
        StripeRefused: Stripe says no; repeating the same call does not help.
    """
    try:
        client = get_client()
    except SettingMissing as error:
        raise StripeAway(str(error)) from error
    breaker = CircuitBreaker("stripe", stripe_rest_seconds())
    try:
        token = breaker.begin_call()
    except CircuitOpen as error:
        raise StripeAway(str(error), error.retry_after) from None
    try:
        answer = ask(client)
    except stripe.StripeError as error:
        raise _record(breaker, token, error) from error
    breaker.record_success(token)
    return answer


def get_client() -> StripeClient:
    """Return the client of this process: a fork would share its parent's connections."""
    timeout = (stripe_connect_seconds(), stripe_answer_seconds())
    key, base_url = settings().require("stripe_secret_key"), settings().address_of("stripe")
    return _make_client(os.getpid(), key, base_url, timeout)


def is_signed(body: bytes, header: str, secret: str) -> bool:
    """Return whether a webhook's body is signed with `secret`; its time is not looked at."""
    try:
        stripe.WebhookSignature.verify_header(body, header, secret)
    except (stripe.SignatureVerificationError, UnicodeDecodeError):
        return False
    return True


@lru_cache(maxsize=1)
def _make_client(_process: int, key: str, base_url: str, timeout: tuple[float, float]) -> StripeClient:
    ours = settings()
    if ours.loopback_only and not is_loopback(urlsplit(base_url).hostname or ""):
        raise StripeRefused(
            "leaves_loopback",
            f"APP_ENV={ours.app_env} calls this machine only: name a stand-in in STAND_INS",
        )
    # Its lines name each call, and ours say what follows.
    logging.getLogger("stripe").setLevel(logging.WARNING)
    session = requests.Session()
    session.trust_env = False  # a .netrc would replace our key
    return StripeClient(
        key,
        stripe_version=API_VERSION,
        base_addresses={"api": base_url},
        max_network_retries=0,  # the caller repeats it, by a key that our row gives
        http_client=stripe.RequestsClient(timeout=timeout, session=session),
    )


def _record(breaker: CircuitBreaker, token: str, error: stripe.StripeError) -> Exception:
    saved = "Idempotent-Replayed" in (error.headers or {})  # Stripe works: it repeats an older answer
    conflict = error.http_status == HTTPStatus.CONFLICT
    works = saved or conflict or isinstance(error, (*_REFUSALS, *_WRONG_KEY, *_ASKED_WRONG))
    (breaker.record_success if works else breaker.record_failure)(token)
    if isinstance(error, stripe.RateLimitError):
        return StripeAway("Stripe takes no more calls just now", _read_pause(error))
    if isinstance(error, _WRONG_KEY):  # our setting is wrong, not the call
        kind = StripeForbidden if isinstance(error, stripe.PermissionError) else StripeAway
        return kind(f"Stripe refuses our key: {type(error).__name__}", None)
    if isinstance(error, stripe.IdempotencyError):
        return StripeAway("Stripe knows this key with other parameters", saved=True)
    if conflict:
        return StripeAway("Stripe works on the same key or object", _read_pause(error))
    if not isinstance(error, _REFUSALS):
        what = f"{type(error).__name__} {error.http_status or ''}".strip()
        return StripeAway(f"Stripe does not answer: {what}", saved=saved)
    return StripeRefused(
        error.code or type(error).__name__, error.user_message or "", getattr(error, "param", None) or ""
    )


def _read_pause(error: stripe.StripeError) -> float:
    """Return the seconds of Retry-After, one where it is missing or no number."""
    text = str((error.headers or {}).get("Retry-After", ""))
    return min(max(float(text), 1.0), _LONGEST_PAUSE) if text.isascii() and text.isdigit() else 1.0
