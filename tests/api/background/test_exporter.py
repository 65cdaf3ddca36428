"""The child of the background program that answers Prometheus: what it is given, and what it can read."""

import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from api.background.exporter import build_environment
from configs.settings import Settings
from configs.settings.program_settings import list_secrets
from deploy.local.processes import free_port
from tests.notifier.program import Program
from tests.waiting import until

SECRETS = [name.upper() for name in list_secrets(Settings.model_fields)]
OURS = dict.fromkeys(SECRETS, "ours") | {
    "PROGRAM": "background",
    "SECRETS_DIR": "/run/secrets",
    "PORT": "4000",
}


def test_its_environment_has_no_secret_but_the_readers() -> None:
    given = build_environment(
        OURS | {"DATABASE_URL_READER": "reader's", "REDIS_URL_READER": "reader's"}, folder=None
    )
    assert {name: given[name] for name in SECRETS if name in given} == {
        "DATABASE_URL": "reader's",
        "DATABASE_URL_READER": "reader's",
        "REDIS_URL": "reader's",
        "SENTRY_DSN": "ours",
    }
    assert (given["PROGRAM"], given["PORT"]) == ("reader", "4000")


def test_its_secret_files_are_in_a_folder_of_their_own() -> None:
    given = build_environment({"PROGRAM": "background"}, Path("/run/secrets"))
    assert given == {"PROGRAM": "reader", "SECRETS_DIR": "/run/secrets/metrics"}


def test_it_cannot_read_the_secret_files_of_background(tmp_path: Path) -> None:
    (tmp_path / "secrets" / "metrics").mkdir(parents=True)
    (tmp_path / "secrets" / "stripe_secret_key").write_text("sk")
    (tmp_path / "secrets" / "metrics" / "redis_url").write_text("redis://")
    (tmp_path / "beside").write_text("beside")
    names = ("secrets/stripe_secret_key", "secrets/metrics/redis_url", "beside")
    code = (
        "import subprocess, sys, pathlib; from api.background.exporter import hide_folder;"
        " folder = pathlib.Path(sys.argv[1], 'secrets'); print(hide_folder(folder, folder / 'metrics'));"
        " [print(subprocess.run(['cat', f'{sys.argv[1]}/{each}'], capture_output=True, text=True).stdout)"
        " for each in sys.argv[2:]]"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path, *names], capture_output=True, text=True, check=True
    )
    can, *read = done.stdout.splitlines()
    if can != "True":
        pytest.skip("this kernel has no Landlock")
    assert read == ["", "redis://", "beside"]


@pytest.mark.processes
@pytest.mark.usefixtures("database", "redis_server")
def test_it_answers_and_is_started_again(tmp_path: Path, settings_env: Callable[..., None]) -> None:
    port = free_port()
    settings_env(METRICS_PORT=str(port))

    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/alive", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    parent = Program(tmp_path / "log", sys.executable, "-m", "api.background", "--only=metrics")
    try:
        until(answers)
        exporter = next(each for each in parent.children if each.name() == "metrics")
        assert exporter.environ()["PROGRAM"] == "reader"
        assert not {name for name in SECRETS if exporter.environ().get(name)} - {
            "DATABASE_URL", "REDIS_URL", "SENTRY_DSN", "DATABASE_URL_READER",
        }  # fmt: skip
        exporter.kill()
        until(lambda: not exporter.is_running() and answers())
    finally:
        parent.kill()
