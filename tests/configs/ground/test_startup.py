"""A program that cannot start says in words what it lacks."""

from collections.abc import Callable

import pytest

from api.background import __main__ as background
from api.migrations import __main__ as migrations
from notifier import dead_letters, sweep, workers

PROGRAMS: dict[str, Callable[[], int]] = {
    "api.migrations": lambda: migrations.main(["upgrade"]),
    "notifier.dead_letters": lambda: dead_letters.main(["list"]),
    "the sweep": sweep.main,
    "the background program": lambda: background.main([]),
    "the notifier": lambda: workers.main([]),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_is_wrong_is_said_and_not_traced(name: str, settings_env: Callable[..., None]) -> None:
    settings_env(PORT="soon")
    with pytest.raises(SystemExit, match=rf"{name} does not start: .*\n? *PORT"):
        PROGRAMS[name]()
