import gc
import re
from types import SimpleNamespace
from typing import Any

from configs.gunicorn_hooks import BEFORE_FORK, when_ready
from deploy.local.ports import usual
from deploy.local.programs import commands


def make_server(**extensions: Any) -> Any:
    """Return what gunicorn gives to its hooks, with an app of these extensions."""
    return SimpleNamespace(app=SimpleNamespace(wsgi=lambda: SimpleNamespace(extensions=extensions)))


def test_what_is_loaded_before_the_workers_fork_is_left_out_of_collections() -> None:
    before = gc.get_freeze_count()
    try:
        when_ready(make_server())
        assert gc.get_freeze_count() > before
    finally:
        gc.unfreeze()


def test_what_an_app_shares_is_loaded_first() -> None:
    calls: list[int] = []
    try:
        when_ready(make_server(**{BEFORE_FORK: [lambda: calls.append(gc.get_freeze_count())]}))
        assert calls[0] < gc.get_freeze_count()
    finally:
        gc.unfreeze()


def test_gunicorn_is_started_with_these_hooks() -> None:
    (found,) = re.findall(r"--config python:(\S+)", " ".join(commands(usual(any_port=True))["api"]))
    assert found == when_ready.__module__
