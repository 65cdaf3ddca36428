"""Terms of sale by version and language, the names that they contain, and the sentences that an order agrees to.

The files are `api/payments/billing/terms/<version>/<language>.md` and `consent.<language>.txt`; a version is a date.
Versions stay: a payment names the one that its user accepted. The French text binds.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from string import Template

from configs.settings import settings
from configs.settings.groups import split_mediator

TERMS = Path(__file__).parents[2] / "api" / "payments" / "billing" / "terms"
BINDING = "fr"
LANGUAGES = (BINDING, "en")
OF_FRIENDS = "2026-12-01"  # it names the days for a friend's order: in force where FRIENDS is on
# The functions that need no login: L.221-21 and L.215-1-1 Code de la consommation
WITHDRAW_PATH = "/l/retractation"
CANCEL_PATH = "/l/resilier"
_NO_VAT = {"fr": "non applicable, art. 293 B du CGI", "en": "none charged (art. 293 B du CGI)"}
_SELLER = ("seller_name", "seller_address", "seller_phone", "seller_siren", "seller_registration")
_MEDIATOR = ("mediator_name", "mediator_address", "mediator_site")
_OTHERS = ("support_email", "publisher", "host_company", "mediator")


@dataclass(frozen=True, slots=True)
class ConsentSentences:
    """What a user agrees to besides the terms, one sentence for each box of the order."""

    start_now: str
    acknowledges_loss: str
    accepts_hour_threshold: str


def list_terms() -> list[str]:
    """Return the versions in force, the newest first, which orders accept."""
    known = {path.name for path in TERMS.iterdir() if path.is_dir()}
    return sorted(known if settings().friends else known - {OF_FRIENDS}, reverse=True)


def find_newest_version() -> str:
    """Return the version that orders accept: the latest date."""
    return list_terms()[0]


def read_terms(version: str, language: str) -> str:
    """Return the terms as Markdown; in French where they are not in the language.

    Raises:
        LookupError: there is no such version.
    """
    known = language if language in LANGUAGES else BINDING
    return _read_template(version, f"{known}.md").substitute(name_seller(known))


def read_consent(version: str, language: str) -> ConsentSentences:
    """Return the sentences of that version; in French where they are not in the language.

    Raises:
        LookupError: there is no such version.
    """
    known = language if language in LANGUAGES else BINDING
    return ConsentSentences(*_read_template(version, f"consent.{known}.txt").template.splitlines())


def name_seller(language: str) -> dict[str, str]:
    """Return the names that the law wants, by the words of texts; a setting's own name where it is not set.

    Those are the seller's, the publisher's, the host's and the mediator's, and the addresses of the two functions.
    """
    ours = settings()
    mediator = split_mediator(ours.mediator) if ours.mediator else ("[MEDIATOR]",) * len(_MEDIATOR)
    values = {name: getattr(ours, name) or f"[{name.upper()}]" for name in (*_SELLER, *_OTHERS)}
    return {
        **values,
        **dict(zip(_MEDIATOR, mediator, strict=True)),
        "seller_vat": ours.seller_vat or _NO_VAT.get(language, _NO_VAT[BINDING]),
        "withdraw_url": f"{ours.api_url}{WITHDRAW_PATH}",
        "cancel_url": f"{ours.api_url}{CANCEL_PATH}",
    }


def write_vat_line() -> str:
    """Return the line on VAT of an invoice, in French: it is an accounting document."""
    number = settings().seller_vat
    return f"N° de TVA intracommunautaire : {number}" if number else f"TVA {_NO_VAT[BINDING]}"


@lru_cache(maxsize=64)
def _read_template(version: str, name: str) -> Template:
    if version not in {path.name for path in TERMS.iterdir()}:
        raise LookupError(f"no terms have the version {version!r}; the newest: {find_newest_version()}")
    return read_wrapped(TERMS / version / name)


def read_wrapped(path: Path) -> Template:
    """Return a text of the law whose long lines are wrapped: a line after two spaces continues the one before."""
    return Template(path.read_text(encoding="utf-8").strip().replace("\n  ", " "))
