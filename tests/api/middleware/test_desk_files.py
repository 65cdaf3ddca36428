"""Desk files that change beneath an app that serves."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from flask import Flask

from api.app import create_app
from api.middleware.desk_files import start_watch
from configs.gunicorn_hooks import AFTER_FORK
from configs.prefecture import prefectures, reload_desk_files
from configs.refused_files import read_refusals
from tests.configs.conftest import GOOD
from tests.waiting import until


@pytest.fixture
def folder(tmp_path: Path, settings_env: Callable[..., None]) -> Path:
    made = tmp_path / "prefectures"
    made.mkdir()
    shutil.copy(GOOD, made)
    settings_env(PREFECTURES_DIR=made, DEPLOY_SETTLE_SECONDS="0.05", FILES_SECONDS="0.02")
    return made


@pytest.fixture
def served(
    folder: Path, database: str, redis_server: redis.Redis, settings_env: Callable[..., None]
) -> Flask:
    settings_env(JWT_SECRET="x" * 40)
    return create_app()


def change_name(folder: Path, name: str) -> None:
    path = folder / GOOD.name
    path.write_text(path.read_text("utf-8").replace("name: Essonne", f"name: {name}"), "utf-8")


def read_name() -> str:
    return prefectures()[GOOD.stem].name


def test_a_worker_reads_changed_files_again_and_no_wrong_ones(
    served: Flask, folder: Path, redis_server: redis.Redis
) -> None:
    assert read_name() == "Essonne"
    (start,) = (each for each in served.extensions[AFTER_FORK] if getattr(each, "func", None) is start_watch)
    stop = start()
    try:
        change_name(folder, "Essonne du Sud")
        until(lambda: read_name() == "Essonne du Sud")
        (folder / "wrong_93.yaml").write_text("name: [", "utf-8")
        (report,) = until(lambda: read_refusals(redis_server))
        assert report.program == "api"
        assert report.reason.startswith("wrong_93.yaml:")
        assert read_name() == "Essonne du Sud"
    finally:
        stop.set()


def test_a_request_keeps_the_files_that_it_began_with(served: Flask, folder: Path) -> None:
    names: list[str] = []

    @served.get("/names")
    def show_names() -> str:
        names.append(read_name())
        change_name(folder, "Essonne du Sud")
        reload_desk_files()
        names.append(read_name())
        return ""

    assert served.test_client().get("/names").status_code == 200
    assert names == ["Essonne", "Essonne"]
    assert read_name() == "Essonne du Sud"
