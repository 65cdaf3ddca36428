import gc
import re

from configs.gunicorn_hooks import when_ready
from deploy.local.ports import usual
from deploy.local.programs import commands


def test_what_is_loaded_before_the_workers_fork_is_left_out_of_collections() -> None:
    before = gc.get_freeze_count()
    try:
        when_ready(None)
        assert gc.get_freeze_count() > before
    finally:
        gc.unfreeze()


def test_gunicorn_is_started_with_these_hooks() -> None:
    (found,) = re.findall(r"--config python:(\S+)", " ".join(commands(usual(any_port=True))["api"]))
    assert found == when_ready.__module__
