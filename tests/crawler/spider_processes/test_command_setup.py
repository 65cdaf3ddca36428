import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from configs.world.desk import Desk
from crawler import loops
from crawler.loops import prepare
from tests.waiting import PATIENCE

ROOT = Path(__file__).parents[3]
NOWHERE = {"DATABASE_URL": "postgresql://a:b@127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1/0"}


def start(*arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.fixture(autouse=True)
def _away(settings_env: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "set_up_logs", lambda _: None)  # pytest's own logging stays
    settings_env(
        **NOWHERE,
        PREFECTURES_DIR=ROOT / "deploy" / "sandbox" / "prefectures",
        SCRAPYD_URL="http://127.0.0.1:1",
    )


@pytest.mark.journey
@pytest.mark.processes
@pytest.mark.parametrize(
    ("number", "said"),
    [
        (signal.SIGTERM, "planning: waits until its server answers"),
        (signal.SIGINT, "Redis is away, only missing spiders are started"),
    ],
)
def test_a_loop_waits_for_servers_that_are_away_and_ends_when_told(number: signal.Signals, said: str) -> None:
    program = start("crawler.loops", "plan")
    assert program.stderr
    try:
        while said not in (line := program.stderr.readline()):
            assert line, "it ended by itself"
        began = time.monotonic()
        program.send_signal(number)
        _, rest = program.communicate(timeout=PATIENCE)
    finally:
        program.kill()
        program.communicate()
    assert (program.returncode, "Traceback" in rest) == (0, False)
    assert time.monotonic() - began < 60


def test_wrong_desk_files_are_named(
    desk_files: Callable[..., dict[str, Desk]], tmp_path: Path, settings_env: Callable[..., None]
) -> None:
    desk_files(a="127.77.0.91:8800")
    file = tmp_path / "prefectures" / "evry_91.yaml"
    file.write_text(file.read_text().replace("platform: ezbooking", "platform: nonsense"))
    settings_env()
    with pytest.raises(SystemExit, match=r"evry_91\.yaml.*nonsense"):
        prepare()
