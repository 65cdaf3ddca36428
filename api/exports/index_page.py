"""The page of an export that a person opens first: what each file holds, in the account's language."""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from babel.dates import format_datetime
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from api.exports.words import WORDS
from configs.world.languages import FRENCH

_FOLDER = Path(__file__).parent / "templates"


def render_index(language: str, email: str, counts: Mapping[str, int], now: datetime) -> str:
    """Return the page; `counts` are the rows of each table."""
    language = language if language in WORDS else FRENCH
    words = WORDS[language]
    day = format_datetime(now, "long", locale=language)
    return (
        _environment()
        .get_template("index.html")
        .render(
            lang=language,
            dir="rtl" if language == "ar" else "ltr",
            words=words,
            about=words.about.format(email=email, day=day),
            counts=counts,
        )
    )


@lru_cache(maxsize=1)
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
