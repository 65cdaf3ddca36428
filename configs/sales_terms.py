"""Terms of sale by version and language, with the seller's names, and the sentences that an order agrees to.

The files are `api/billing/terms/<version>/<language>.md` and `consent.<language>.txt`; a version is a date.
Versions stay: a payment names the one that its user accepted. The French text binds.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from string import Template

from configs.settings import settings

TERMS = Path(__file__).parents[1] / "api" / "billing" / "terms"
BINDING = "fr"
LANGUAGES = (BINDING, "en")
_NO_VAT = {"fr": "non applicable, art. 293 B du CGI", "en": "none charged (art. 293 B du CGI)"}


@dataclass(frozen=True, slots=True)
class ConsentSentences:
    """What a user agrees to besides the terms, one sentence for each box of the order."""

    start_now: str
    acknowledges_loss: str
    accepts_hour_threshold: str


class UnknownTerms(LookupError):
    """No terms have that version."""


@lru_cache(maxsize=1)
def find_newest_version() -> str:
    """Return the version that orders accept: the latest date."""
    return max(path.name for path in TERMS.iterdir() if path.is_dir())


def read_terms(version: str, language: str) -> str:
    """Return the terms as Markdown; in French where they are not in the language.

    Raises:
        UnknownTerms: there is no such version.
    """
    known = language if language in LANGUAGES else BINDING
    return _read_template(version, f"{known}.md").substitute(name_seller(known))


def read_consent(version: str, language: str) -> ConsentSentences:
    """Return the sentences of that version; in French where they are not in the language.

    Raises:
        UnknownTerms: there is no such version.
    """
    known = language if language in LANGUAGES else BINDING
    return ConsentSentences(*_read_template(version, f"consent.{known}.txt").template.splitlines())


def name_seller(language: str) -> dict[str, str]:
    """Return how the seller, its addresses and the mediator are named; a setting's own name where it is not set."""
    ours = settings()
    names = ("seller_name", "seller_address", "seller_phone", "seller_siren", "support_email", "mediator")
    values = {name: getattr(ours, name) or f"[{name.upper()}]" for name in names}
    return values | {"seller_vat": ours.seller_vat or _NO_VAT[language]}


@lru_cache(maxsize=64)
def _read_template(version: str, name: str) -> Template:
    if version not in {path.name for path in TERMS.iterdir()}:
        raise UnknownTerms(f"no terms have the version {version!r}; the newest: {find_newest_version()}")
    return Template((TERMS / version / name).read_text(encoding="utf-8").strip())
