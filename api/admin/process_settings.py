"""Settings of this process as operators see them, without secrets."""

from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from api.ground.paging import Found
from api.ground.schemas import Body
from configs.ground.logs import mask_entry
from configs.settings import settings


class SettingQuery(Body):
    """All settings: there is nothing to choose."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting of this process: its value as text, None of a secret and of one that is not set."""

    name: str
    value: str | None
    is_set: bool
    is_secret: bool


def list_settings() -> Found[Setting]:
    """Return all settings of this process without secrets, in the order of their names."""
    current = settings()
    names = sorted(type(current).model_fields)
    return Found([_build_setting(name, getattr(current, name)) for name in names])


def _build_setting(name: str, value: Any) -> Setting:
    secret = "SecretStr" in str(type(settings()).model_fields[name].annotation) or _holds_secret(value)
    is_set = value not in (None, (), {})
    shown = str(mask_entry(name, str(value))) if is_set and not secret else None
    return Setting(name.upper(), shown, is_set, secret)


def _holds_secret(value: Any) -> bool:
    """Return whether a value is or contains a secret; a proxy contains its password."""
    if isinstance(value, tuple | list):
        return any(_holds_secret(each) for each in value)
    fields = getattr(value, "__dataclass_fields__", ())
    return isinstance(value, SecretStr) or any(_holds_secret(getattr(value, each)) for each in fields)
