"""Shape of a log line, by structlog or the standard library."""

import json
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NoReturn

import pytest
import structlog

from configs.ground.logs import set_up_logs
from configs.ground.outage_log import OutageLog

Put = Callable[..., None]


def _fail(text: str) -> NoReturn:
    raise ValueError(text)


@pytest.fixture
def lines(settings_env: Put, capsys: pytest.CaptureFixture[str]) -> Callable[[], list[dict[str, Any]]]:
    settings_env(LOG_FORMAT="json", LOG_LEVEL="info", PROGRAM="")
    set_up_logs("crawler")
    return lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_line_has_its_event_time_level_program_and_fields(
    lines: Callable[[], list[dict[str, Any]]],
) -> None:
    structlog.get_logger("crawler.booking").info("checked", desk="bobigny_93/visa", milliseconds=12)
    (line,) = lines()
    at = datetime.fromisoformat(line.pop("at"))
    assert at.utcoffset() == timedelta(0)
    assert line == {
        "event": "checked",
        "desk": "bobigny_93/visa",
        "milliseconds": 12,
        "level": "info",
        "logger": "crawler.booking",
        "program": "crawler",
    }


def test_stdlib_logging_takes_the_same_way(lines: Callable[[], list[dict[str, Any]]]) -> None:
    logging.getLogger("scrapy.core").warning("sent to %s", "jean@example.fr")
    (line,) = lines()
    assert (line["event"], line["level"], line["logger"]) == (
        "sent to ***@example.fr",
        "warning",
        "scrapy.core",
    )
    assert line["program"] == "crawler"
    assert "at" in line


@pytest.mark.parametrize("logger", ["structlog", "stdlib"])
def test_an_exception_has_its_traceback_masked(
    lines: Callable[[], list[dict[str, Any]]], logger: str
) -> None:
    log = structlog.get_logger("x") if logger == "structlog" else logging.getLogger("x")
    try:
        _fail("no mail for jean@example.fr")
    except ValueError:
        log.exception("broke")
    (line,) = lines()
    assert "Traceback (most recent call last)" in line["exception"]
    assert "ValueError: no mail for ***@example.fr" in line["exception"]
    assert "jean" not in line["exception"].splitlines()[-1]


def test_the_program_is_what_the_environment_says(
    settings_env: Put, capsys: pytest.CaptureFixture[str]
) -> None:
    settings_env(LOG_FORMAT="json", PROGRAM="notifier")
    set_up_logs()
    structlog.get_logger().info("a")
    assert json.loads(capsys.readouterr().err)["program"] == "notifier"


def test_a_line_that_cannot_be_written_stops_nothing(
    settings_env: Put, capsys: pytest.CaptureFixture[str]
) -> None:
    class Broken:
        def __str__(self) -> str:
            raise ValueError("no text")

    settings_env(LOG_FORMAT="json")
    set_up_logs()
    structlog.get_logger().info("a", what=Broken(), to="jean@example.fr")
    logging.getLogger("x").info("%d", "jean@example.fr")
    structlog.get_logger().info("b")
    told = capsys.readouterr().err
    assert "jean@" not in told
    first, second, last = [json.loads(line) for line in told.splitlines()]
    assert "test_logs.py:" in first["event"]
    assert "ValueError('no text')" in first["event"]
    assert "cannot be written: TypeError" in second["event"]
    assert last["event"] == "b"


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_what_a_page_says_does_not_speak_to_the_terminal(
    settings_env: Put, capsys: pytest.CaptureFixture[str], log_format: str
) -> None:
    settings_env(LOG_FORMAT=log_format)
    set_up_logs("crawler")
    logging.getLogger("crawler.booking").error("title %s", "\x1b]0;evil\x07\x9b2J\u202e\ud800\r")
    structlog.get_logger("crawler.booking").error("seen", title="\x1b[31m")
    structlog.get_logger("crawler.booking").error("seen", titles=["\x9b2J", {"\x9b31m": "\u202e"}])
    try:
        _fail("\x1b[2J")
    except ValueError:
        logging.getLogger("crawler.booking").exception("failed")
    written = capsys.readouterr().err
    assert "evil" in written
    assert "Traceback" in written
    assert written.replace("\n", "").isprintable()


def test_an_outage_is_logged_once_and_so_is_its_end() -> None:
    outage = OutageLog()
    met = [outage.begin("refused"), outage.begin("timed out"), outage.is_open]
    assert met == [True, False, True]
    assert [outage.end(), outage.end(), str(outage.is_open)] == ["timed out", "", "False"]
    assert outage.begin("refused")
