"""Import of a library without the optional ones that it loads wherever they are installed, and that we do not use."""

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
