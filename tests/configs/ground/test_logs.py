"""Shape of a log line, by structlog or the standard library."""

import json
import logging
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, NoReturn

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from configs.ground.logs import MASK, OutageLog, mask, mask_entry, mask_text, set_up_logs
from configs.ground.signing import sign
from tests.in_turn import in_turn

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


# Logs hold no person's address and no key


class _Word(StrEnum):
    SLOTS = "slots"


@in_turn(
    "text, masked",
    [
        ("to jean.dupont+x@example.fr now", "to ***@example.fr now"),
        ("<a@b.example.fr>,c@d.fr", "<***@b.example.fr>,***@d.fr"),
        ("tel:0612345678", "tel:***78"),
        ("0033612345678", "***78"),
        ("06\u00a012\u00a034\u00a056\u00a078", "***78"),
        ("+33\u202f6\u202f12\u202f34\u202f56\u202f78", "***78"),
        ("Bearer 0f3a.bc-12_34", "Bearer ***"),
        ("+262692123456", "***56"),
        (
            "https://api.telegram.org/bot123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw/sendMessage",
            "https://api.telegram.org/bot***/sendMessage",
        ),
        ("postgresql://rdv:p%40ss@db:5432/rdv", "postgresql://***@db:5432/rdv"),
        ("redis://:word@redis:6379", "redis://***@redis:6379"),
        ("sk_live_abcDEF123", "***"),
        ("key SG.abc-def.ghi_jkl", "key ***"),
        ("whsec_123abc", "***"),
        ("row (1, $2b$12$WApznUOJfkEGSmYRfnkrPOr466oFDCaj4b6HY3EXGvfxm43seywhm, user)", "row (1, ***, user)"),
    ],
)
def test_personal_data_and_keys_are_masked(text: str, masked: str) -> None:
    assert mask_text(text) == masked


@in_turn(
    "text",
    [
        "2026-11-20T08:09:25.123456+00:00",
        "2026-01-02 03:04:05",
        "127.77.0.91:8800",
        "0190a3c2-1111-7222-8333-444455556666",
        "1795161600",
        "https://www.essonne.gouv.fr/booking/create/23014/4",
        "evry-courcouronnes_91/naturalisation",
        "crawler.platforms.ezbooking",
        "12 slots, 345 ms, 6 requests",
        "-0.000123",
        "",
    ],
)
def test_what_an_operator_needs_stays(text: str) -> None:
    assert mask_text(text) == text


def test_a_signed_link_is_masked() -> None:
    assert mask_text(f"GET /api/links/{sign('stop', {'alert': 1})} 200") == "GET /api/links/*** 200"


@in_turn(
    "value, masked",
    [
        (3, 3),
        (None, None),
        (True, True),
        ({"to": ["a@b.fr", {"x": ("a@b.fr",)}]}, {"to": ["***@b.fr", {"x": ["***@b.fr"]}]}),
        (ValueError("a@b.fr"), "ValueError('***@b.fr')"),
        (_Word.SLOTS, "slots"),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02 00:00:00+00:00"),
        (uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        (b"a@b.fr", "b'***@b.fr'"),
        ({"a@b.fr"}, ["***@b.fr"]),
        ({"a@b.fr": 550, 7: {"c@d.fr": "x"}}, {"***@b.fr": 550, 7: {"***@d.fr": "x"}}),
    ],
)
def test_values_are_masked_all_the_way_down(value: Any, masked: Any) -> None:
    assert mask(value) == masked


@in_turn(
    "key",
    [
        "password",
        "JWT_SECRET",
        "LINK_KEY",
        "data_keys",
        "Authorization",
        "token",
        "Cookie",
    ],
)
def test_a_key_that_names_a_secret_hides_its_value(key: str) -> None:
    assert mask_entry(key, "x") == MASK
    assert mask({"a": {key: "x"}}) == {"a": {key: MASK}}


_local = st.text("abcdefghijklmnopqrstuvwxyz0123456789.+-_", min_size=1, max_size=20)


@given(st.text(), _local, st.text())
def test_no_surroundings_save_an_address(before: str, local: str, after: str) -> None:
    assert f"{local}@example.fr" not in mask_text(f"{before} {local}@example.fr {after}")


@given(
    st.sampled_from("1234567"),
    st.text("0123456789", min_size=8, max_size=8),
    st.sampled_from(["", " ", ".", "-"]),
)
def test_no_spelling_saves_a_phone_number(kind: str, rest: str, gap: str) -> None:
    pairs = gap.join([rest[:2], rest[2:4], rest[4:6], rest[6:]])
    for number in (f"0{kind}{gap}{pairs}", f"+33{gap}{kind}{gap}{pairs}"):
        assert mask_text(f"to {number} now") == f"to {MASK}{rest[-2:]} now"
