"""The second factor of an account: setting it up, taking its codes, renewing recovery codes, removing it."""

import hashlib
import hmac
import secrets
from datetime import datetime
from uuid import UUID

import pyotp
from pyotp.exceptions import OTPVerificationError
from sqlalchemy.orm import Session

from api.auth.schemas import TotpSetup
from api.ground.errors import ApiError
from api.models.user import User
from configs.ground.clock import clock
from configs.ground.signing import LinkRefused, sign, unsign
from configs.ground.text import join_code

_ISSUER = "RDVPriority"
_SETUP = "totp-setup"
_SETUP_SECONDS = 900
_RECOVERY_CODES = 10


def build_address(secret: str, email: str) -> str:
    """Return the otpauth:// address that an app reads from a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=_ISSUER)


def find_step(secret: str, code: str, moment: datetime) -> int | None:
    """Return the 30-second step whose code this is, one earlier or later at most; None for a wrong code."""
    try:
        return pyotp.TOTP(secret).verify_and_get_timecode(code, for_time=moment, valid_window=1)
    except OTPVerificationError:
        return None


def hash_recovery_code(secret: str, code: str) -> str:
    """Return what is stored of a recovery code: an HMAC whose key is the factor's secret, which is encrypted."""
    return hmac.new(secret.encode(), join_code(code).lower().encode(), hashlib.sha256).hexdigest()


def begin_setup(user: User) -> TotpSetup:
    """Return a new secret for a user, which is not stored anywhere yet.

    Raises:
        ApiError: 409, the account has a second factor already.
    """
    _refuse_second(user)
    secret = pyotp.random_base32()
    setup = sign(_SETUP, {"user": str(user.id), "secret": secret})
    return TotpSetup(secret=secret, otpauth_url=build_address(secret, user.email), setup=setup)


def resume_setup(user: User, setup: str) -> TotpSetup:
    """Return a setup that was begun, to show it once more.

    Raises:
        ApiError: 403, it is too old or not this user's; 409, there is a second factor already.
    """
    _refuse_second(user)
    secret = _read_setup(setup, user.id)
    return TotpSetup(secret=secret, otpauth_url=build_address(secret, user.email), setup=setup)


def confirm_setup(session: Session, user_id: UUID, setup: str, code: str) -> list[str]:
    """Store the secret of a setup once a code proves that the app has it; return the recovery codes.

    Raises:
        ApiError: 403, the code or the setup is not good; 409, there is a second factor already.
    """
    user = session.get_one(User, user_id, with_for_update={"key_share": True})
    _refuse_second(user)
    secret = _read_setup(setup, user_id)
    step = find_step(secret, code, clock())
    if step is None:
        raise ApiError(403, "wrong-code", "this is not the code that the app shows now: try the next one")
    user.totp_secret, user.totp_confirmed_at, user.totp_used_step = secret, clock(), step
    return _draw_recovery_codes(user, secret)


def renew_recovery_codes(session: Session, user_id: UUID) -> list[str]:
    """Return new recovery codes; the old ones are good no more.

    Raises:
        ApiError: 409, the account has no second factor.
    """
    user = session.get_one(User, user_id, with_for_update={"key_share": True})
    if user.totp_secret is None:
        raise ApiError(409, "totp-missing", "the account has no second factor: set one up first")
    user.factor_ends_at = None
    return _draw_recovery_codes(user, user.totp_secret)


def take_code(session: Session, user_id: UUID, code: str) -> bool:
    """Return whether this is a code of the user's second factor, or a recovery code. Each is good once.

    Who has one is there: the second factor does not end as a lost one.
    """
    user = session.get_one(User, user_id, with_for_update={"key_share": True})
    if user.totp_secret is None:
        return False
    is_taken = _use_code(user, user.totp_secret, code)
    if is_taken:
        user.factor_ends_at = None
    return is_taken


def _use_code(user: User, secret: str, code: str) -> bool:
    step = find_step(secret, code, clock())
    if step is not None:
        is_new = user.totp_used_step is None or step > user.totp_used_step
        user.totp_used_step = step if is_new else user.totp_used_step
        return is_new
    used = hash_recovery_code(secret, code)
    is_known = used in user.recovery_hashes
    user.recovery_hashes = [each for each in user.recovery_hashes if each != used]
    return is_known


def remove_second_factor(user: User) -> None:
    """Remove a user's second factor and its recovery codes."""
    user.totp_secret = user.totp_confirmed_at = user.totp_used_step = None
    user.factor_ends_at, user.recovery_hashes = None, []


def _draw_recovery_codes(user: User, secret: str) -> list[str]:
    """Give a user ten codes like `k7m2p-x4q9w`, and return them."""
    codes = [f"{_draw()}-{_draw()}" for _ in range(_RECOVERY_CODES)]
    user.recovery_hashes = [hash_recovery_code(secret, each) for each in codes]
    return codes


def _refuse_second(user: User) -> None:
    if user.has_second_factor:
        raise ApiError(409, "totp-exists", "the account has a second factor: remove it first")


def _read_setup(setup: str, user_id: UUID) -> str:
    try:
        claims = unsign(_SETUP, setup, _SETUP_SECONDS)
        if claims["user"] == str(user_id):
            return str(claims["secret"])
    except (LinkRefused, KeyError, TypeError):
        pass
    raise ApiError(
        403, "wrong-setup", "this setup is too old or not yours: begin again by POST /api/auth/totp"
    )


_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # none that look alike; pragma: allowlist secret
_HALF = 5  # characters


def _draw() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(_HALF))
