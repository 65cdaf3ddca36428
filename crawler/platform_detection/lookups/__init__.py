"""Registry of the id lookups: each file here holds one class of PlatformLookup, named like its platform's file."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from configs.class_registry import load_folder
from crawler.platform_detection.lookup_base import IdChoice, LookupStep, PlatformLookup
from crawler.reading import Page


def steps_of(name: str) -> tuple[LookupStep, ...]:
    """Return the lookup steps of a platform, in their order."""
    return _lookup(name).STEPS


def by_hand(name: str) -> str:
    """Return where a person finds the ids of a platform's desks."""
    return _lookup(name).BY_HAND or f"docs/platforms/{name}.md says what they are"


def in_address(name: str, url: str) -> Mapping[str, Any]:
    """Return the parameters that the address of a platform's desk contains."""
    return _lookup(name).in_address(url)


def read_choices(name: str, page: Page) -> list[IdChoice]:
    """Return what a saved answer offers a platform's desk; nothing for any other page."""
    return next(filter(None, (list(step.read(page)) for step in steps_of(name))), [])


def is_own(name: str, page: Page) -> bool:
    """Tell whether an answer tells ids of this platform and has a shape that is no other platform's."""
    return any(next(iter(step.read(page)), None) for step in steps_of(name) if step.own)


@lru_cache(maxsize=1)
def _lookups() -> dict[str, PlatformLookup]:
    return load_folder(__name__, __path__, PlatformLookup)


def _lookup(name: str) -> PlatformLookup:
    return _lookups().get(name) or PlatformLookup()
