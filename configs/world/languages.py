"""Languages of messages, and those of them that the pages speak."""

import unicodedata
from typing import TYPE_CHECKING, Literal

FRENCH = "fr"  # the fallback
MESSAGE_LANGUAGES = {
    "fr": "Français",
    "en": "English",
    "ar": "العربية",
    "es": "Español",
    "pt": "Português",
    "de": "Deutsch",
    "ru": "Русский",
    "zh": "中文",
    "hi": "हिन्दी",
}  # of messages, by the code that accounts and alerts have; docs/messages.md#languages
if TYPE_CHECKING:
    Language = str
else:
    Language = Literal[tuple(MESSAGE_LANGUAGES)]
FRENCH_AND_ENGLISH = ("fr", "en")
# By the letters of a language's own name
RIGHT_TO_LEFT = frozenset(
    code for code, name in MESSAGE_LANGUAGES.items() if unicodedata.bidirectional(name[0]) in ("R", "AL")
)
OTHER_SCRIPTS = frozenset(
    code for code, name in MESSAGE_LANGUAGES.items() if not unicodedata.name(name[0]).startswith("LATIN")
)


def choose_page_language(language: str) -> str:
    """Return the language of the pages, of what an order agrees to, and of Stripe's pages."""
    return language if language in FRENCH_AND_ENGLISH else FRENCH


def read_language(name: str | None) -> str:
    """Return a language that we know: French for any other name, and for none."""
    return name if name in MESSAGE_LANGUAGES else FRENCH
