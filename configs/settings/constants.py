"""Constants of the product that tests of whole processes change: a lease of a second, a sweep each 0.2 s.

They stand beside their use. TEST_PERIODS, a JSON object of names and numbers (periods in seconds), changes them; it
works only with APP_ENV=test or sandbox.
"""

from datetime import timedelta
from typing import Generic, TypeVar, cast

from configs.settings import settings

Value = TypeVar("Value", bound=float | timedelta | tuple[float, ...])


class Constant(Generic[Value]):
    """A number, a period (in seconds, or a timedelta) or waits in seconds."""

    def __init__(self, name: str, value: Value) -> None:
        self._name, self._value = name, value

    def __call__(self) -> Value:
        """Return the product's own value, or the one of TEST_PERIODS."""
        changed = settings().test_periods.get(self._name)
        if changed is None:
            return self._value
        is_span = isinstance(self._value, timedelta)
        return cast("Value", timedelta(seconds=cast("float", changed)) if is_span else changed)
