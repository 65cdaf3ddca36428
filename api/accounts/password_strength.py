"""Strength of a new password: its length, and how many guesses it takes."""

import unicodedata

from zxcvbn_rs_py import zxcvbn

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
