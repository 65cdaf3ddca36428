"""Configuration: prefectures, desks, plans and settings, and the small modules that two programs share."""

import importlib
import sys


def import_without(name: str, *absent: str) -> None:
    """Import the library `name` as if those of `absent` that are not loaded yet were not installed.

    They can be imported afterwards. https://docs.python.org/3/reference/import.html#the-module-cache
    """
    hidden = [each for each in absent if each not in sys.modules]
    modules: dict[str, object] = sys.modules  # type: ignore[assignment] # None is not among its types
    modules.update(dict.fromkeys(hidden))
    try:
        importlib.import_module(name)
    finally:
        for each in hidden:
            del sys.modules[each]


# Its renderers by Rich, its loggers by Twisted: 7 MB of each program.
import_without("structlog", "rich", "twisted")
