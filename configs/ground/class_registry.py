"""Registry of a folder: each of its files defines one class of the folder's base, found under the file's name."""

import importlib
import pkgutil
from collections.abc import Iterable
from typing import TypeVar

Base = TypeVar("Base")


def load_folder(package: str, path: Iterable[str], base: type[Base]) -> dict[str, Base]:
    """Import a folder's modules and return an instance of each one's class, by the module's name.

    Raises:
        TypeError: a module defines no class of that base, or several.
    """
    names = sorted(module.name for module in pkgutil.iter_modules(path))
    return {name: _class_of(f"{package}.{name}", base)() for name in names}


def _class_of(name: str, base: type[Base]) -> type[Base]:
    defined = vars(importlib.import_module(name)).values()
    own = [
        each
        for each in defined
        if isinstance(each, type) and each.__module__ == name and issubclass(each, base)
    ]
    if len(own) != 1:
        raise TypeError(f"{name} must define one subclass of {base.__name__}, it defines {len(own)}")
    return own[0]
