"""Hosts: names and ports, and what is this machine."""

from datetime import UTC, datetime, timedelta

from configs.ground.addresses import host_of, is_loopback, is_private, resolve_stand_in
from configs.ground.clock import override_clock
from configs.ground.retry_after import parse_retry_after
from configs.ground.text import format_duration, truncate_line
from tests.in_turn import in_turn


@in_turn(
    "url, host",
    [
        ("https://x.fr", "x.fr:443"),
        ("http://X.fr/a?b#c", "x.fr:80"),
        ("wss://x.fr:8", "x.fr:8"),
        ("http://[::1]:80/", "::1:80"),
        ("nothing", ":0"),
    ],
)
def test_a_host_is_a_name_and_a_port(url: str, host: str) -> None:
    assert host_of(url) == host


@in_turn("name", ["127.0.0.1", "127.77.0.91", "localhost", "::1", "[::1]", "LOCALHOST"])
def test_loopback_is_this_machine(name: str) -> None:
    assert is_loopback(name)


@in_turn("name", ["", "10.0.0.1", "127.0.0.1.nip.io", "localhost.example.fr", "127.1", "2130706433"])
def test_a_name_that_may_resolve_to_anything_is_not(name: str) -> None:
    assert not is_loopback(name)


@in_turn("name", ["10.0.0.1", "192.168.1.4", "169.254.169.254", "[fc00::1]", "fe80::1", "100.64.0.1"])
def test_an_address_of_a_private_network_is_told(name: str) -> None:
    assert is_private(name)


def test_a_stand_in_is_found_by_name_or_by_name_and_port() -> None:
    stand_ins = {"www.essonne.gouv.fr": "127.77.0.91:8800", "a.gouv.fr:8443": "127.77.0.1:1"}
    assert (
        resolve_stand_in("https://www.essonne.gouv.fr/booking/create/1?a=1", stand_ins)
        == "http://127.77.0.91:8800/booking/create/1?a=1"
    )
    assert resolve_stand_in("https://a.gouv.fr:8443/x", stand_ins) == "http://127.77.0.1:1/x"
    assert resolve_stand_in("https://a.gouv.fr/x", stand_ins) == "https://a.gouv.fr/x"
    assert resolve_stand_in("wss://www.essonne.gouv.fr/x", stand_ins) == "ws://127.77.0.91:8800/x"
    assert resolve_stand_in("wss://a.gouv.fr/x", stand_ins) == "wss://a.gouv.fr/x"


@in_turn(
    "seconds, said",
    [(0, "0 s"), (0.44, "0.4 s"), (7, "7 s"), (44.4, "44 s"), (119, "119 s"), (120, "2 min"), (7199, "120 min"),
     (7200, "2 h"), (172_799, "48 h"), (172_800, "2 d"), (8_640_000, "100 d")],
)  # fmt: skip
def test_a_span_is_said_in_one_unit(seconds: float, said: str) -> None:
    assert format_duration(timedelta(seconds=seconds)) == said


def test_a_line_holds_what_can_be_printed_and_is_cut_where_it_is_too_long() -> None:
    assert truncate_line(" a\tb\x1b[2J\r\nc ", 20) == "a b [2J c"
    assert truncate_line("un mot de trop", 6) == "un mot…"
    assert truncate_line("un mot de trop", 7) == "un mot…"


YEAR = 366 * 86400.0


@in_turn(
    "value, seconds",
    [
        ("0", 0.0),
        (" 120 ", 120.0),
        ("9" * 400, YEAR),  # infinite as a float
        ("Fri, 20 Nov 2026 09:01:00 GMT", 60.0),
        ("Fri, 20 Nov 2026 10:01:00 +0100", 60.0),
        ("Fri, 20 Nov 2026 09:01:00", 60.0),  # without a zone
        ("Fri, 20 Nov 2026 09:01:00 -0000", 60.0),
        ("Fri, 20 Nov 2026 08:00:00 GMT", 0.0),
        ("Fri, 20 Nov 99999999999999999999 09:00:00 GMT", None),
        ("-5", None),
        ("5.5", 5.5),
        ("5, 90", 90.0),  # of a proxy that joined two
        ("1795165320", 120.0),  # since 1970
        ("²", None),
        ("", None),
    ],
)
def test_seconds_and_dates_are_understood_and_bounded(value: str, seconds: float | None) -> None:
    with override_clock(lambda: datetime(2026, 11, 20, 9, tzinfo=UTC)):
        assert parse_retry_after(value) == seconds
