"""Registry of the providers: each file in this folder is one, found by its name."""

from functools import lru_cache

from configs.class_registry import load_folder
from notifier.provider_base import Provider


@lru_cache(maxsize=1)
def providers() -> dict[str, Provider]:
    """Return all providers by name, imported at the first call."""
    return load_folder(__name__, __path__, Provider)  # type: ignore[type-abstract] # only its subclasses are built
