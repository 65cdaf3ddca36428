"""Rate limits by network address and by account, counted in Redis for all processes."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from http import HTTPStatus
from uuid import UUID

import structlog
from flask import Flask, Response, g, request
from flask_limiter import ApplicationLimit, HeaderNames, Limiter, RateLimitExceeded
from limits.errors import StorageError
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from werkzeug.exceptions import RequestEntityTooLarge

from api.errors import ApiError
from api.middleware.limit_counters import (
    PATIENCE,
    build_storage_options,
    build_storage_url,
    check_limit,
    clear_limit,
    hit_limit,
)
from api.middleware.problems import build_response
from api.middleware.request_bodies import is_webhook
from api.middleware.shared_counts import Count, count_request, forget_requests
from api.models.user import User
from configs.contact_addresses import fold_address, group_network_address
from configs.redis import redis_client
from configs.settings import settings
from configs.signed_links import read_unsubscription
from configs.signing import LinkRefused

GENERAL = "1000 per 15 minutes"
AUTH = "100 per 15 minutes"
SUPPORT = "5 per day"
ONE_CLICK = "30 per 15 minutes"  # by one link of a mail, from wherever
DECLARATIONS = "20 per hour"  # without a login, from one network address
NEW_EMAIL = "3 per day"  # to one address, by all accounts together
ACCOUNT_FROM_ADDRESS = "10 per 15 minutes"
ACCOUNT = "100 per 15 minutes"
USER = "300 per 5 minutes"
CODES = "5 per 5 minutes"  # of one challenge
WRONG_CODES = "30 per hour"  # of one account
_KNOWN_SECONDS = 90 * 86400  # an account's sign-in addresses are remembered for so long
# Mail services post these for many readers, and none tries again: https://www.rfc-editor.org/rfc/rfc8058
_ONE_CLICK_ROUTES = ("links.stop", "links.unsubscribe")
# Routes that anyone may call to guess, or to cause a mail.
_AUTH_ROUTES = (
    "auth.register", "auth.verify_email", "auth.forgot_password", "auth.reset_password",
    "logins.login", "logins.login_with_code",
    "sign_in.register", "sign_in.send_reset", "sign_in.sign_in", "sign_in.sign_in_with_code",
)  # fmt: skip
_WAIT = "X-RateLimit-Wait"
log = structlog.get_logger(__name__)


def register_rate_limits(app: Flask) -> None:
    """Count requests, before their body is read. Without Redis, sign-in answers 503; others are counted in memory.

    The limits by account read the body, after those by network address: flask-limiter keeps the order of limits whose
    periods have the same unit.

    Raises:
        configs.settings.SettingMissing: REDIS_URL is not set.
    """
    # Registered before the limiters, it runs after them: Flask calls these functions in reverse order.
    app.after_request(_keep_retry_after_on_refusals)
    app.register_error_handler(StorageError, _answer_without_redis)
    app.register_error_handler(RateLimitExceeded, _answer_too_many)
    app.before_request(_count_by_address)
    app.after_request(_tell_count)
    strict = _build_limiter([ApplicationLimit(AUTH, scope="auth"), *_build_account_limits()])
    strict.request_filter(lambda: request.endpoint not in _AUTH_ROUTES or _is_exempt())
    strict.init_app(app)


def _count_by_address() -> None:
    """Count a request by its network address; one by a link that we signed, by that link."""
    if request.endpoint in _AUTH_ROUTES or _is_exempt():
        return
    if request.endpoint in _ONE_CLICK_ROUTES and _is_signed_link():
        link = hashlib.sha256(request.path.encode()).hexdigest()
        g.counted = count_request(ONE_CLICK, link, "one-click")
    else:
        g.counted = count_request(GENERAL, _get_address(), "general")
    if not g.counted.passes:
        raise g.counted.build_refusal()


def _is_signed_link() -> bool:
    try:
        read_unsubscription((request.view_args or {}).get("token", ""))
    except LinkRefused:
        return False
    return True


def _tell_count(response: Response) -> Response:
    counted: Count | None = g.get("counted")
    if counted:
        response.headers["X-RateLimit-Limit"] = str(counted.limit.amount)
        response.headers["X-RateLimit-Remaining"] = str(counted.left)
        response.headers["X-RateLimit-Reset"] = str(int(counted.ends_at + 1))
    return response


def count_support_request() -> None:
    """Count a request to support that is about to be stored; without Redis it is not counted.

    Raises:
        api.errors.ApiError: 429, this network address sent too many within a day.
    """
    hit_limit(SUPPORT, "support", _get_address())


def count_declaration() -> None:
    """Count a withdrawal or cancellation that is about to be stored without a login.

    Raises:
        api.errors.ApiError: 429, this network address sent too many within an hour.
    """
    hit_limit(DECLARATIONS, "declaration", _get_address())


def count_new_email(email: str) -> None:
    """Count a mail that asks to confirm an account's new address: anyone with accounts may name a stranger's.

    Raises:
        api.errors.ApiError: 429, this address was named too often within a day.
    """
    hit_limit(NEW_EMAIL, "new-email", _digest_account(email))


def _build_account_limits() -> list[ApplicationLimit]:
    """Return the limits on guesses at one account.

    One counts by address, the other all addresses together. The second leaves out addresses from which the account
    has signed in, so that a stranger's guesses do not lock its owner out.
    """
    here = ApplicationLimit(
        ACCOUNT_FROM_ADDRESS,
        key_function=_get_account_and_address,
        scope=str,
        exempt_when=lambda: not _get_account(),
        deduct_when=_is_guess,
    )
    anywhere = ApplicationLimit(
        ACCOUNT,
        key_function=_get_account,
        scope=str,
        exempt_when=lambda: not _get_account() or _may_not_be_locked(),
        deduct_when=_is_guess,
    )
    return [here, anywhere]


def _may_not_be_locked() -> bool:
    """Return whether strangers must not use up a limit: of a known address, or of the way to a new password."""
    return request.endpoint in ("auth.forgot_password", "sign_in.send_reset") or _is_known(_get_account())


def _is_guess(response: Response) -> bool:
    """Return whether a response counts as a guess: a failed login, or any registration."""
    if request.endpoint == "sign_in.sign_in":
        return response.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    return request.endpoint != "logins.login" or response.status_code == HTTPStatus.UNAUTHORIZED


def remember_address(email: str) -> None:
    """Remember the address from which the account with this e-mail address signed in, unless Redis is away."""
    try:
        _get_redis().set(_build_known_key(_digest_account(email)), 1, ex=_KNOWN_SECONDS)
    except RedisError as error:
        log.warning("an address is not remembered: a wave of guesses may keep it out", because=str(error))


def count_request_of(user_id: UUID) -> None:
    """Count a request of a signed-in user, from wherever.

    Raises:
        api.errors.ApiError: 429.
    """
    count = count_request(USER, "user", str(user_id))
    if not count.passes:
        raise count.build_refusal()


def forget_counts(user_id: UUID, email: str) -> None:
    """Delete what is counted and remembered of an account that was deleted.

    Left to run out: counts that other processes hold (5 min), and the digests of other network addresses (90 days).
    """
    account, name = _digest_account(email), str(user_id)
    forget_requests(USER, "user", name)
    counted = (
        (ACCOUNT_FROM_ADDRESS, "proof", name),
        (ACCOUNT_FROM_ADDRESS, "code", name, _get_address()),
        (WRONG_CODES, "codes", name),
        (NEW_EMAIL, "new-email", account),
    )
    try:
        for limit, *key in counted:
            clear_limit(limit, *key)
        _get_redis().delete(_build_known_key(account))
    except (RedisError, StorageError) as error:
        log.warning("counts of a deleted account run out by themselves", because=str(error))


@contextmanager
def limit_guesses(user_id: UUID) -> Iterator[None]:
    """Allow a signed-in user a few wrong passwords or codes: the error `wrong-proof` of the block counts as one.

    Raises:
        api.errors.ApiError: 429.
    """
    check_limit(ACCOUNT_FROM_ADDRESS, "proof", str(user_id))
    try:
        yield
    except ApiError as error:
        if error.word == "wrong-proof":  # not a machine that is busy, nor a code that is asked for next
            hit_limit(ACCOUNT_FROM_ADDRESS, "proof", str(user_id))
        raise


def limit_codes(challenge_id: str, user: User) -> None:
    """Count a try at the code of a second factor, and refuse one too many.

    An address from which the account signed in before is spared from what strangers try.

    Raises:
        api.errors.ApiError: 429.
    """
    hit_limit(CODES, "challenge", challenge_id)
    check_limit(ACCOUNT_FROM_ADDRESS, "code", str(user.id), _get_address())
    if not is_known_address(user.email):
        check_limit(WRONG_CODES, "codes", str(user.id))


def count_wrong_code(user: User) -> None:
    """Count a wrong code of a second factor; right ones do not count.

    Raises:
        api.errors.ApiError: 429.
    """
    hit_limit(ACCOUNT_FROM_ADDRESS, "code", str(user.id), _get_address())
    hit_limit(WRONG_CODES, "codes", str(user.id))


def is_known_address(email: str) -> bool:
    """Return whether the account with this e-mail address signed in from this network address before."""
    return _is_known(_digest_account(email))


def _is_known(account: str) -> bool:
    try:
        return bool(_get_redis().exists(_build_known_key(account)))
    except RedisError:
        return False  # the limiter meets the same error and answers it


def _build_known_key(account: str) -> str:
    return f"known-address:{_digest_with_address(account)}"


@lru_cache(maxsize=2)
def _get_client(_url: str) -> Redis:
    client = redis_client()
    client.set_retry(Retry(NoBackoff(), 0))
    client.connection_pool.connection_kwargs["socket_timeout"] = PATIENCE
    return client


def _get_redis() -> Redis:
    return _get_client(settings().require("redis_url"))


def _build_limiter(limits: list[ApplicationLimit]) -> Limiter:
    return Limiter(
        _get_address,
        application_limits=list(limits),
        headers_enabled=True,
        # the limiter sets it on every response and would overwrite that of our own 503
        header_name_mapping={HeaderNames.RETRY_AFTER: _WAIT},
        storage_uri=build_storage_url(),
        storage_options=build_storage_options(),
    )


def _get_address() -> str:
    """Return the network address to count by. Of IPv6 it is the subscriber's whole /64, who may use any of it."""
    return group_network_address(request.remote_addr or "nobody")


def _get_account() -> str:
    """Return a digest of the account in the body: Redis must not hold addresses."""
    try:
        # The API's routes refuse a form by its type, which needs the body unread.
        body = (
            request.form if (request.endpoint or "").startswith("sign_in.") else request.get_json(silent=True)
        )
    except RequestEntityTooLarge:  # the check of the body answers it, once the request is counted
        return ""
    email = body.get("email") if isinstance(body, Mapping) else None
    return _digest_account(email) if isinstance(email, str) else ""


def _digest_account(email: str) -> str:
    return hashlib.sha256(fold_address(email).encode("utf-8", "replace")).hexdigest()


def _get_account_and_address() -> str:
    account = _get_account()
    return _digest_with_address(account) if account else ""


def _digest_with_address(account: str) -> str:
    """Return a digest of an account and the network address of the request: Redis must not hold addresses."""
    return hashlib.sha256(f"{account} {_get_address()}".encode()).hexdigest()


def _is_exempt() -> bool:
    """Return whether a request is not counted: a preflight, a webhook, a file, or health, which needs no Redis."""
    is_free = (request.endpoint or "").startswith(("health.", "assets."))
    return request.method == "OPTIONS" or is_free or is_webhook()


def _keep_retry_after_on_refusals(response: Response) -> Response:
    wait = response.headers.pop(_WAIT, None)
    if wait is not None and response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        response.headers.setdefault("Retry-After", wait)  # another limit's refusal has said its own
    return response


def _answer_too_many(error: RateLimitExceeded) -> Response:
    detail = f"more than {error.description}: wait as long as Retry-After says"
    return build_response(ApiError(429, "too-many-requests", detail))


def _answer_without_redis(error: StorageError) -> Response:
    log.error("Redis does not answer, so nobody can sign in", error=str(error.storage_error))
    detail = "attempts cannot be counted now, so nobody can sign in: try again"
    return build_response(ApiError(503, "unavailable", detail, headers={"Retry-After": "5"}))
