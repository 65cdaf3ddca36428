import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from configparser import ConfigParser
from pathlib import Path

import pytest
from scrapy.spiderloader import SpiderLoader
from scrapy.utils.misc import load_object
from scrapyd.config import Config

from configs.settings import SettingsRefused, settings
from deploy.local.processes import free_port
from deploy.scrapyd import configuration, environment, main, prepare
from tests.crawler.held import scrapy_settings
from tests.in_turn import in_turn

ROOT = Path(__file__).parents[2]


@pytest.fixture
def state(tmp_path: Path, settings_env: Callable[..., None]) -> Path:
    settings_env(
        STATE_DIR=tmp_path / "state", SCRAPYD_URL=f"http://127.0.0.1:{free_port()}", SCRAPYD_PASSWORD="p%ss"
    )
    return tmp_path / "state"


def read(text: str) -> ConfigParser:
    parser = ConfigParser()
    parser.read_string(text)
    return parser


def test_of_several_passwords_scrapyd_has_the_first(state: Path, settings_env: Callable[..., None]) -> None:
    settings_env(SCRAPYD_PASSWORD="new, old")
    assert read(configuration(settings()))["scrapyd"]["password"] == "new"


def test_nobody_sends_it_code_and_it_keeps_no_logs(state: Path) -> None:
    written = read(configuration(settings()))
    assert set(written["services"].values()) == {""}
    assert written["scrapyd"]["logs_dir"] == ""


class FullDisk:
    """A queue of one job that cannot be taken at first."""

    def __init__(self) -> None:
        self.jobs = [{"name": "ants", "_job": "job-1"}]
        self.is_full = True

    def count(self) -> int:
        return len(self.jobs)

    def pop(self) -> dict[str, str]:
        if self.is_full:
            raise sqlite3.OperationalError("database or disk is full")
        return self.jobs.pop()


def test_jobs_are_started_again_after_the_disk_was_full(state: Path, tmp_path: Path) -> None:
    written = read(configuration(settings()))["scrapyd"]
    poller = load_object(written["poller"])(Config({"dbs_dir": str(tmp_path), "eggs_dir": str(tmp_path)}))
    disk = FullDisk()
    poller.queues = {"rdvpriority": disk}
    started: list[dict[str, str]] = []
    poller.next().addCallback(started.append)
    failed: list[object] = []
    poller.poll().addErrback(failed.append)  # an error that the timer sees ends it
    assert (started, failed) == ([], [])
    disk.is_full = False
    poller.poll()
    assert [job["_job"] for job in started] == ["job-1"]


@in_turn(
    "url, bound",
    [
        ("http://10.0.0.2:6800", "10.0.0.2"),
        ("http://scrapyd:6800", "0.0.0.0"),  # noqa: S104 -- of a container
        ("http://127.0.0.1:6800", "127.0.0.1"),
    ],
)
def test_it_listens_on_loopback_or_in_a_network_of_our_own(
    url: str, bound: str, state: Path, settings_env: Callable[..., None]
) -> None:
    settings_env(SCRAPYD_URL=url)
    written = read(configuration(settings()))["scrapyd"]
    assert (written["bind_address"], written["http_port"]) == (bound, "6800")


@in_turn(
    "url",
    [
        "http://0.0.0.0:6800",
        "http://[::]:6800",
        "http://8.8.8.8:6800",
        "http://scrapyd.example.org",
    ],
)
def test_it_listens_nowhere_else(url: str, state: Path, settings_env: Callable[..., None]) -> None:
    settings_env(SCRAPYD_URL=url)
    with pytest.raises(SettingsRefused, match="loopback"):
        configuration(settings())


def test_what_it_is_told_is_its_owner_s_to_read(state: Path) -> None:
    for _ in range(2):
        folder = prepare(settings())
    assert folder == state / "scrapyd"
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_the_spiders_find_the_same_files_from_their_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings_env: Callable[..., None]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("PORT=7\nSENTRY_DSN=\nBACKUP_HOUR=9\n")
    (tmp_path / "secrets").mkdir()
    settings_env(APP_ENV="development", STATE_DIR="state", PREFECTURES_DIR="desks", SECRETS_DIR="secrets")
    made = environment(settings(), {"BACKUP_HOUR": "11"})
    assert (made["STATE_DIR"], made["PREFECTURES_DIR"]) == (str(tmp_path / "state"), str(tmp_path / "desks"))
    assert made["SECRETS_DIR"] == str(tmp_path / "secrets")
    assert (made["PORT"], made["BACKUP_HOUR"]) == ("7", "11")
    assert "SENTRY_DSN" not in made
    assert made["SCRAPYD_PID"] == str(os.getpid())
    settings_env(APP_ENV="test")
    assert "PORT" not in environment(settings(), {})


def test_a_missing_password_is_said_and_nothing_starts(
    state: Path, settings_env: Callable[..., None]
) -> None:
    settings_env(SCRAPYD_PASSWORD="")
    with pytest.raises(SystemExit, match="SCRAPYD_PASSWORD is not set"):
        main()


def test_scrapyd_knows_all_spiders_from_its_start() -> None:
    code = "from crawler.spider_processes.launcher import SPIDERS; print(*SPIDERS)"  # it loads a reactor, which tests do not share
    named = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    known = SpiderLoader.from_settings(scrapy_settings()).list()
    assert named.split() == sorted(known)
