"""Time-based codes (TOTP, RFC 6238) and recovery codes: their secrets, addresses and hashes.

Nothing else imports pyotp.
"""

import hashlib
import hmac
from datetime import datetime

import pyotp
from pyotp.exceptions import OTPVerificationError

from configs.ground.text import join_code

_ISSUER = "RDVPriority"


def create_secret() -> str:
    """Return 160 random bits in Base32."""
    return pyotp.random_base32()


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
