"""Rate limits by network address and by account, counted in Redis for all processes."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from http import HTTPStatus
from uuid import UUID

import structlog
from flask import Flask, Response, g, request
from flask_limiter import ApplicationLimit, Limiter, RateLimitExceeded
from limits.errors import StorageError
from redis.exceptions import RedisError
from werkzeug.exceptions import RequestEntityTooLarge

from api.ground.errors import ApiError
from api.ground.limit_counters import (
    build_refusal,
    build_storage_options,
    build_storage_url,
    check_limit,
    clear_limit,
    hit_limit,
)
from api.models.user import User
from api.network_addresses import group_network_address
from api.web.doors import Door, find_door, read_mark
from api.web.known_places import (
    COOKIE,
    digest_account,
    digest_at,
    find_browser,
    forget_place,
    get_network,
    is_known_place,
    read_browser_id,
    read_email,
)
from api.web.openapi import needs_token
from api.web.problems import build_response
from api.web.request_bodies import is_webhook
from api.web.stranger_mail import NEW_EMAIL, TO_MAILBOX
from configs.ground.addresses import name_mailbox
from configs.ground.signing import Link, LinkRefused, ResetPassword, VerifyAddress, find_kind, read_token

GENERAL = "1000 per 15 minutes"  # from one network address, without a login
LIVE = "10000 per 15 minutes"  # the same, of live twins: an open page asks for its parts by itself
AUTH = "100 per 15 minutes"  # from one network address, or by known browsers of one account
# One customer of a provider may have a /56 or a /48: the same doors from there, and from everywhere, by unknown places.
AUTH_WIDER = {56: "200 per 15 minutes", 48: "400 per 15 minutes"}
AUTH_IN_ALL = "240 per minute"  # hashing more takes a core for itself
ONE_CLICK = "30 per 15 minutes"  # by one link of a mail, from wherever
# What is stored without a login, from one network address and from a /48.
FORMS = {Door.SUPPORT: ("5 per day", "20 per day"), Door.DECLARATION: ("20 per hour", "60 per hour")}
ACCOUNT_FROM_ADDRESS = "10 per 15 minutes"
ACCOUNT = "100 per 15 minutes"
USER = "300 per 5 minutes"  # of one account, from wherever
LIVE_USER = "3000 per 5 minutes"  # the same, of live twins
CODES = "5 per 5 minutes"  # of one challenge
WRONG_CODES = "30 per hour"  # of one account
PROOFS = "30 per 15 minutes"  # passwords that one signed-in account has proven or changed
# Hashes in turns that are kept for known people; what is more waits with strangers.
KEPT_BY_ACCOUNT, KEPT_BY_NETWORK = "60 per 15 minutes", "240 per 15 minutes"
# Doors at which strangers guess, have a password hashed, or cause a mail.
_AUTH_DOORS = {
    Door.SIGN_IN, Door.CODE, Door.REGISTRATION, Door.RESET_MAIL, Door.CONFIRMATION, Door.CHOICE,
}  # fmt: skip
_LINKS: Mapping[Door, type[Link]] = {Door.CONFIRMATION: VerifyAddress, Door.CHOICE: ResetPassword}
_COUNTED_TWINS = (HTTPStatus.NOT_MODIFIED, HTTPStatus.TOO_MANY_REQUESTS)  # by the limit of live twins alone
log = structlog.get_logger(__name__)


def register_rate_limits(app: Flask) -> None:
    """Count requests, before their body is read. Without Redis, sign-in answers 503; others are counted in memory.

    Personal pages, and reads that need a token, are counted once, by their account (count_request_of), or where the
    login is refused by its network address (count_stranger). So people who share an address keep nobody out, and each
    count is a round trip. Without Redis nginx alone limits these. The limits by account read the body, after those by
    network address: flask-limiter keeps the order of limits whose periods have the same unit.

    Raises:
        configs.settings.SettingMissing: REDIS_URL is not set.
    """
    app.register_error_handler(StorageError, _answer_without_redis)
    app.register_error_handler(RateLimitExceeded, lambda error: error.response)
    general = _build_limiter([_build_general_limit()], in_memory_fallback_enabled=True)
    general.request_filter(lambda: _is_auth() or _is_exempt() or _is_counted_by_login())
    strict = _build_limiter([*_build_address_limits(), *_build_account_limits()])
    strict.request_filter(lambda: not _is_auth() or _is_exempt())
    for each in (general, strict):
        each.init_app(app)
    app.after_request(_count_changed_twin)


def _build_general_limit() -> ApplicationLimit:
    """Return the limit by network address; of a request by a link that we signed, by that link."""
    return ApplicationLimit(
        lambda: ONE_CLICK if _is_one_click() else LIVE if _is_live() else GENERAL,
        key_function=lambda: (
            hashlib.sha256(request.path.encode()).hexdigest() if _is_one_click() else get_network()
        ),
        scope="general",
    )


def _is_counted_by_login() -> bool:
    """Return whether a login is counted: of personal pages and reads. The API reads other bodies before the token."""
    is_read = request.method in ("GET", "HEAD")
    return read_mark("is_personal", default=False) or (is_read and needs_token(request.endpoint))


def _is_live() -> bool:
    """Return whether a script of an open page asks: for what it shows already, most of the time."""
    return bool(read_mark("polled", default=False))


def _is_auth() -> bool:
    """Return whether the request may be a guess, have a password hashed, or cause a mail."""
    return find_door() in _AUTH_DOORS


def _is_one_click() -> bool:
    """Return whether the request is by a link that we signed, which stops messages.

    Mail services post these for many readers, and none tries again: https://www.rfc-editor.org/rfc/rfc8058
    """
    token = (request.view_args or {}).get("token")
    return find_door() is Door.ONE_CLICK and _is_good(find_kind(token or ""), token)


def _count_changed_twin(response: Response) -> Response:
    """Count a live twin as any other page, unless it is answered by 304, which costs little.

    It is sent in any case, as it may carry the cookies of a renewed login: the next page is refused. A login that is
    refused has been counted.
    """
    if _is_live() and response.status_code not in _COUNTED_TWINS:
        with suppress(ApiError):
            if "user_id" in g:
                hit_limit(USER, "user", str(g.user_id))
            elif not read_mark("is_personal", default=False):
                count_stranger()
    return response


def count_stranger() -> None:
    """Count a request whose login is refused, by its network address.

    Raises:
        ApiError: 429.
    """
    hit_limit(GENERAL, "stranger", get_network())


def count_form() -> None:
    """Count what is about to be stored without a login, at a door that is declared as one of FORMS.

    Raises:
        ApiError: 429, this network address, or its /48, sent too many of them.
    """
    door = Door(read_mark("door", default=None))
    here, wider = FORMS[door]
    hit_limit(here, door, get_network())
    hit_limit(wider, f"{door}-wider", _get_wider_network(min(AUTH_WIDER)))


def _build_address_limits() -> list[ApplicationLimit]:
    """Return the limits by network address, by wider ranges of IPv6, and of all unknown places together.

    A browser that the account knows is counted by itself, so that its network's other people do not keep it out. Asking
    for a new password is counted apart: a flood of sign-ins must leave that way in.
    """
    wider = [
        ApplicationLimit(
            limit, key_function=partial(_get_wider_network, prefix), scope=f"auth-{prefix}",
            exempt_when=lambda: ":" not in get_network() or _has_proof(),
        )
        for prefix, limit in AUTH_WIDER.items()
    ]  # fmt: skip
    everywhere = ApplicationLimit(
        AUTH_IN_ALL,
        key_function=lambda: "reset" if find_door() is Door.RESET_MAIL else "all",
        scope="auth-in-all",
        exempt_when=_has_proof,
    )
    return [ApplicationLimit(AUTH, key_function=_get_visitor, scope="auth"), *wider, everywhere]


def _get_visitor() -> str:
    """Return by what a visitor is counted: the account that knows the browser, or the network address."""
    if COOKIE in request.cookies:
        if find_door() is Door.CODE and (browser := read_browser_id()):
            return f"browser {browser}"  # the challenge's tries are counted, too
        if (email := _read_email()) and find_browser(email):
            return f"account {digest_account(email)}"
    return get_network()


def _get_wider_network(prefix: int) -> str:
    return group_network_address(request.remote_addr or "nobody", prefix)


def _is_known() -> bool:
    """Return whether the account that the request names is known at its place; asked once a request."""
    if "is_known_place" not in g:
        email = _read_email()
        g.is_known_place = bool(email) and is_known_place(email)
    return bool(g.is_known_place)


def _has_proof() -> bool:
    """Return whether a flood of strangers must not keep a request out.

    Its place is known, it carries a link of ours, or it goes on after a right password: a code has tries of its own.
    """
    return find_door() is Door.CODE or _is_known() or _has_link()


def _has_link() -> bool:
    kind = _LINKS.get(find_door() or Door.FREE)
    if kind is None:
        return False
    try:
        body = request.view_args or request.get_json(silent=True)
    except RequestEntityTooLarge:
        return False
    return _is_good(kind, body.get("token") if isinstance(body, Mapping) else None)


def _is_good(kind: type[Link] | None, token: object) -> bool:
    """Return whether we signed a token of this kind, and it is not too old."""
    try:
        return kind is not None and isinstance(token, str) and bool(read_token(kind, token))
    except LinkRefused:
        return False


def _build_account_limits() -> list[ApplicationLimit]:
    """Return the limits on guesses at one account.

    One counts by place, the other all places together; a page and a route of the API that are one door count together.
    The second leaves out places at which the account is known, so
    that a stranger's guesses do not lock its owner out.
    """
    here = ApplicationLimit(
        ACCOUNT_FROM_ADDRESS,
        key_function=_get_account_and_place,
        scope=lambda _: str(find_door()),
        exempt_when=lambda: not _read_email(),
        deduct_when=_is_guess,
    )
    anywhere = ApplicationLimit(
        ACCOUNT,
        key_function=lambda: digest_account(_read_email()),
        scope=lambda _: str(find_door()),
        # Strangers must not use up what a known place may, nor the way to a new password.
        exempt_when=lambda: not _read_email() or find_door() is Door.RESET_MAIL or _is_known(),
        deduct_when=_is_guess,
    )
    return [here, anywhere]


def _is_guess(_: Response) -> bool:
    """Return whether a request counts as a guess: a wrong password, or anything at the other doors."""
    return find_door() is not Door.SIGN_IN or "is_wrong_password" in g


def note_wrong_password() -> None:
    """Have this request counted as a guess at the account that it names."""
    g.is_wrong_password = True


def may_take_kept_turn(email: str) -> bool:
    """Count a hash for somebody who is known, and return whether it may take a turn that is kept for them.

    Beyond what a person needs it waits with strangers, who may have accounts of their own.
    """
    try:
        hit_limit(KEPT_BY_ACCOUNT, "kept-turn", digest_account(email))
        hit_limit(KEPT_BY_NETWORK, "kept-turn", _get_wider_network(min(AUTH_WIDER)))
    except ApiError:
        return False
    return True


def count_password_work(user_id: UUID) -> None:
    """Count a password that a signed-in user proves or changes, right or wrong: each takes a core for a while.

    Raises:
        ApiError: 429.
    """
    hit_limit(PROOFS, "password-work", str(user_id))


def count_request_of(user_id: UUID) -> None:
    """Count a request of a signed-in user, from wherever.

    Raises:
        ApiError: 429.
    """
    limit, name = (LIVE_USER, "live") if _is_live() else (USER, "user")
    hit_limit(limit, name, str(user_id))


def forget_counts(user_id: UUID, email: str) -> None:
    """Delete what is counted and remembered of an account that was deleted.

    Left to run out: the digests of other network addresses (30 days).
    """
    account, name = digest_account(email), str(user_id)
    counted = (
        (USER, "user", name),
        (LIVE_USER, "live", name),
        (ACCOUNT_FROM_ADDRESS, "proof", name),
        (ACCOUNT_FROM_ADDRESS, "code", name, get_network()),
        (WRONG_CODES, "codes", name),
        (PROOFS, "password-work", name),
        (KEPT_BY_ACCOUNT, "kept-turn", account),
        (NEW_EMAIL, "new-email", digest_account(name_mailbox(email))),
        (TO_MAILBOX, "mailbox", digest_account(name_mailbox(email))),
    )
    try:
        for limit, *key in counted:
            clear_limit(limit, *key)
        forget_place(email)
    except (RedisError, StorageError) as error:
        log.warning("counts of a deleted account run out by themselves", because=str(error))


@contextmanager
def limit_guesses(user_id: UUID) -> Iterator[None]:
    """Allow a signed-in user a few wrong passwords or codes: the error `wrong-proof` of the block counts as one.

    Raises:
        ApiError: 429.
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

    A place at which the account is known is spared from what strangers try.

    Raises:
        ApiError: 429.
    """
    hit_limit(CODES, "challenge", challenge_id)
    check_limit(ACCOUNT_FROM_ADDRESS, "code", str(user.id), _get_place(user.email))
    if not is_known_place(user.email):
        check_limit(WRONG_CODES, "codes", str(user.id))


def count_wrong_code(user: User) -> None:
    """Count a wrong code of a second factor; right ones do not count.

    Raises:
        ApiError: 429.
    """
    hit_limit(ACCOUNT_FROM_ADDRESS, "code", str(user.id), _get_place(user.email))
    hit_limit(WRONG_CODES, "codes", str(user.id))


def _build_limiter(limits: list[ApplicationLimit], *, in_memory_fallback_enabled: bool = False) -> Limiter:
    return Limiter(
        get_network,
        application_limits=list(limits),
        in_memory_fallback_enabled=in_memory_fallback_enabled,
        on_breach=lambda limit: build_response(build_refusal(limit.limit, limit.window.reset_time)),
        request_identifier=lambda: request.endpoint or "none",  # what has no route is counted, too
        storage_uri=build_storage_url(),
        storage_options=build_storage_options(),
    )


def _read_email() -> str:
    """Return the e-mail address that the body names, whose account is meant; "" where there is none."""
    try:
        # The API's routes refuse a form by its type, which needs the body unread.
        is_form = not request.path.startswith("/api/")
        return read_email(request.form if is_form else request.get_json(silent=True))
    except RequestEntityTooLarge:  # the check of the body answers it, once the request is counted
        return ""


def _get_place(email: str) -> str:
    """Return where somebody tries an account: the browser that it knows, or the network address."""
    return find_browser(email) or get_network()


def _get_account_and_place() -> str:
    email = _read_email()
    return digest_at(digest_account(email), _get_place(email)) if email else ""


def _is_exempt() -> bool:
    """Return whether a request is not counted: a preflight, a webhook, a file, or health, which needs no Redis."""
    return request.method == "OPTIONS" or find_door() is Door.FREE or is_webhook()


def _answer_without_redis(error: StorageError) -> Response:
    log.error("Redis does not answer, so nobody can sign in", error=str(error.storage_error))
    detail = "attempts cannot be counted now, so nobody can sign in: try again"
    return build_response(ApiError(503, "unavailable", detail, headers={"Retry-After": "5"}))
