"""Passwords: how hard one is to guess, its hash, and how many are hashed at once."""

import base64
import hashlib
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager

import bcrypt
from zxcvbn_rs_py import zxcvbn

from api.ground.errors import ApiError, invalid
from api.ground.schemas import FieldError
from configs.settings import Constant, settings

SHORTEST = 12
LONGEST = 128
# Signs that are judged: zxcvbn holds the interpreter meanwhile, for longer than their number grows where many of them
# stand for letters. What these make hard to guess, more signs do not make easy.
JUDGED = 32
_GUESSES = 10**8  # zxcvbn's score 3: docs/privacy.md says why that is enough
# What everybody who opens an account here has in mind.
OUR_WORDS = (
    "rdvpriority", "rdv", "priority", "rendezvous", "rendez-vous", "préfecture", "prefecture", "titre", "séjour",
    "sejour", "titredesejour", "naturalisation", "carte", "résident", "resident", "visa", "passeport", "créneau",
    "creneau", "alerte", "france",
)  # fmt: skip
# Longest wait for one's turn to be hashed; then the answer is 503 with Retry-After
_password_wait_seconds = Constant("PASSWORD_WAIT_SECONDS", 2.0)

# Threads of a process that may wait at once, strangers' and others': with two that hash they leave one of gunicorn's
# eight to reads.
_WAITING = {False: 3, True: 2}
_places = {kept: threading.BoundedSemaphore(most) for kept, most in _WAITING.items()}
_turns = {kept: threading.BoundedSemaphore(1) for kept in _WAITING}


def explain_weakness(password: str, email: str) -> str | None:
    """Return why a password can be guessed by someone who knows the address, or None."""
    # The words of the address and ours count as known, like those of the dictionary.
    known = [email, *email.partition("@")[::2], *OUR_WORDS]
    text = normalize_password(password)  # what is hashed: full-width letters are plain ones
    guesses = zxcvbn(text[:JUDGED].encode("utf-8", "replace").decode(), known).guesses
    return None if guesses >= _GUESSES else "this password can be guessed: choose a longer or less common one"


def normalize_password(password: str) -> str:
    """Return the password in NFKC: the same key strokes give different code points on different systems.

    NIST SP 800-63B, section 5.1.1.2.
    """
    return unicodedata.normalize("NFKC", password)


@contextmanager
def hold_turn(*, kept: bool = False) -> Iterator[None]:
    """Wait for one of the process's two turns, and hold it while the block runs: the `kept` one or the strangers'.

    Raises:
        ApiError: 503, no turn came within PASSWORD_WAIT_SECONDS, or too many wait already.
    """
    if not _places[kept].acquire(blocking=False):
        raise _build_refusal()
    try:
        has_turn = _turns[kept].acquire(timeout=_password_wait_seconds())
    finally:
        _places[kept].release()
    if not has_turn:
        raise _build_refusal()
    try:
        yield
    finally:
        _turns[kept].release()


def _build_refusal() -> ApiError:
    detail = "too many sign-ins at this moment: try again"
    return ApiError(503, "busy", detail, headers={"Retry-After": "2"})


def hash_new_password(password: str, email: str, like: str | None = None, *, kept: bool = False) -> str:
    """Return the hash of a password that somebody chooses, unless it can be guessed: judged and hashed in one turn.

    Raises:
        ApiError: 422, it can be guessed; 503, see `hold_turn`.
    """
    with hold_turn(kept=kept):
        if weakness := explain_weakness(password, email):
            raise invalid(FieldError(path="password", rule="guessable", detail=weakness))
        return _hash(password, like)


def hash_password(password: str, *, kept: bool = False) -> str:
    """Return the salted hash to store. BCRYPT_COST sets how slow that is (12: 0.2 s).

    Raises:
        ApiError: 503, see `hold_turn`.
    """
    with hold_turn(kept=kept):
        return _hash(password)


def verify_password(password: str, stored: str | None, *, kept: bool = False) -> bool:
    """Return whether the password has that hash. Without a hash it takes the same time and returns False.

    Raises:
        ApiError: 503, see `hold_turn`.
    """
    if stored is None:
        hash_password(password, kept=kept)
        return False
    with hold_turn(kept=kept):
        return bcrypt.checkpw(_digest(password), stored.encode("ascii"))


def _hash(password: str, like: str | None = None) -> str:
    salt = like.encode("ascii") if like else bcrypt.gensalt(settings().bcrypt_cost)
    return bcrypt.hashpw(_digest(password), salt).decode("ascii")


def _digest(password: str) -> bytes:
    text = normalize_password(password)
    return base64.b64encode(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
