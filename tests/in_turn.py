"""Tests of one property with hundreds of short cases: one test for all of them, which names each case that fails.

pytest takes some 5 ms of a processor for a test of its own: to collect it in each worker, to set it up, to report it.
"""

import inspect
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any

import pytest


def in_turn(
    names: str, cases: Iterable[Any] | Callable[[], Iterable[Any]], name_of: Callable[[Any], str] = repr
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a test each case in turn, as `parametrize` gives each to a test of its own: `in_turn("kind, channel", …)`.

    A function that returns the cases is called as the test runs: what takes long to read, each worker would read.
    Other fixtures are the same for all cases. The test fails with an exception group, each error with its case's number and name.
    """
    arguments = [each.strip() for each in names.split(",")]

    def wrap(test: Callable[..., None]) -> Callable[..., None]:
        @wraps(test)
        def run(**fixtures: Any) -> None:
            given: Any = cases() if inspect.isfunction(cases) else cases
            listed = list(given)
            assert listed, "no case: nothing would be tested"
            errors, first = list[BaseException](), ""
            for number, case in enumerate(listed, start=1):
                values: Sequence[Any] = case if len(arguments) > 1 else [case]
                try:
                    test(**dict(zip(arguments, values, strict=True)), **fixtures)
                except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 -- every case is tried before the test fails
                    name = f"{number}, {name_of(case)}"
                    error.add_note(f"in the case {name}")
                    first = first or name
                    errors.append(error)
                    if "pytest-timeout" in str(error):  # which watches a test once
                        break
            if errors:
                raise BaseExceptionGroup(
                    f"{len(errors)} of {len(listed)} cases fail: {first[:200]} …", errors
                )

        signature = inspect.signature(test)
        others = [each for name, each in signature.parameters.items() if name not in arguments]
        run.__signature__ = signature.replace(parameters=others)  # type: ignore[attr-defined] # pytest reads it
        return run

    return wrap
