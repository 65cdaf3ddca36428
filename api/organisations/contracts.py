"""Contracts of organisations (art. 28 RGPD) by version, a date. The French text binds; versions stay."""

from functools import lru_cache
from pathlib import Path

TEXTS = (
    Path(__file__).parents[1] / "pages" / "public" / "documents" / "organisations"
)  # shown with the legal texts


@lru_cache(maxsize=1)
def list_versions() -> list[str]:
    """Return the versions, the newest first."""
    return sorted((each.name for each in TEXTS.iterdir() if each.is_dir()), reverse=True)
