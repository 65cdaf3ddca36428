"""A desk that cannot be read asks its canary: when, how often, within which time, and what that says."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from configs.made_up import PREFECTURE, desk_entry, prefecture_file
from configs.outcome import Outcome
from configs.proxies import parse_proxies
from crawler.catalogue import CatalogueError, check_catalogue
from crawler.fetching.allowance import Allowance
from crawler.fetching.proxies import Proxies
from crawler.recording.items import CheckItem
from tests.crawler import ezbooking_pages
from tests.crawler.checks import NOW
from tests.crawler.held import Held, make_desk
from tests.crawler.wire import Say, Wire, answer, silent, wire

DESK, CANARY = "/booking/create/1", "/booking/create/2"
ODD = answer(b"<p>Bienvenue</p>")
FORBIDDEN = answer(b"no", "403 Forbidden")
BUSY = answer(b"", "503 x", Retry_After="60")
GOOD = answer(ezbooking_pages.conditions().encode())


def served(desk: Say, canary: Say) -> Say:
    def say(connection: socket.socket, request: bytes) -> None:
        (canary if request.split(b" ", 2)[1].startswith(CANARY.encode()) else desk)(connection, request)

    return say


def check(held: Held, site: Wire, allowance: Allowance | None = None, **fields: Any) -> CheckItem:
    more = {"canary": f"{site.address}{CANARY}"} | fields
    return held.check(make_desk(f"{site.address}{DESK}", **more), allowance=allowance)


def asked(site: Wire) -> list[str]:
    return [line.split(" ")[1] for line in site.lines]


@pytest.mark.parametrize(
    ("canary", "outcome", "quiet"),
    [
        (GOOD, None, False),
        (ODD, Outcome.UNREADABLE, True),
        (FORBIDDEN, Outcome.BLOCKED, True),
        (answer(b""), Outcome.UNREADABLE, True),
        (lambda connection, _: connection.close(), Outcome.UNREACHABLE, True),
        (BUSY, Outcome.MAINTENANCE, False),
        (answer(b"", "429 x"), Outcome.RATE_LIMITED, False),
    ],
    ids=["leads on", "odd", "403", "empty", "gone", "maintenance", "429"],
)
def test_the_canary_is_asked_once_and_what_it_says_is_kept(
    held: Held, canary: Say, outcome: Outcome | None, quiet: bool
) -> None:
    with wire(served(ODD, canary)) as site:
        ended = check(held, site)
        assert asked(site)[:2] == [f"{DESK}/0", f"{CANARY}/0"]
    assert ended.outcome is Outcome.UNREADABLE
    assert ended.canary
    assert (ended.canary.outcome, ended.canary.silent) == (outcome, quiet)
    assert ended.requests == len(site.requests)


@pytest.mark.parametrize(
    ("say", "outcome"),
    [(FORBIDDEN, Outcome.BLOCKED), (answer(b"", "429 x"), Outcome.RATE_LIMITED), (BUSY, Outcome.MAINTENANCE)],
    ids=["403", "429", "maintenance"],
)
def test_a_site_that_says_what_it_wants_is_asked_nothing_more(held: Held, say: Say, outcome: Outcome) -> None:
    with wire(served(say, GOOD)) as site:
        ended = check(held, site)
        assert (ended.outcome, ended.canary, asked(site)) == (outcome, None, [f"{DESK}/0"])


def test_a_captcha_that_the_page_always_has_asks_no_canary(held: Held) -> None:
    wall = answer(b"<html><form method='post'><div class='g-recaptcha'></div></form></html>")
    with wire(served(wall, GOOD)) as site:
        assert check(held, site, watch="presence").canary is None
        found = check(held, site)
    assert (found.outcome, found.canary and found.canary.silent) == (Outcome.CAPTCHA, False)


def test_a_page_that_hangs_leaves_its_canary_the_time_to_answer(
    held: Held, settings_env: Callable[..., None]
) -> None:
    settings_env(HTTP_DEADLINE_SECONDS="6")
    with wire(served(silent, GOOD)) as site:
        ended = check(held, site)
    assert ended.outcome is Outcome.UNREACHABLE
    assert ended.canary
    assert not ended.canary.silent
    assert 4200 <= ended.milliseconds < 6000


def test_both_that_hang_take_one_deadline(held: Held, settings_env: Callable[..., None]) -> None:
    settings_env(HTTP_DEADLINE_SECONDS="4")
    with wire(silent) as site:
        ended = check(held, site)
    assert ended.canary
    assert ended.canary.outcome is Outcome.UNREACHABLE
    assert ended.milliseconds < 7000


def test_the_canary_is_paid_for_and_left_unasked_where_nothing_is_left(held: Held) -> None:
    with wire(served(ODD, ODD)) as site:
        assert check(held, site, Allowance(1)).canary is None
        assert asked(site) == [f"{DESK}/0"]


def test_a_proxy_that_failed_says_nothing_of_the_site(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held.spider, "proxies", Proxies(parse_proxies("http://127.0.0.1:9")))
    with wire(GOOD) as site:
        ended = check(held, site)
    assert (ended.outcome, ended.canary, site.requests) == (Outcome.UNREACHABLE, None, [])


def test_a_check_somewhere_else_asks_no_canary_here(held: Held) -> None:
    with wire(ODD) as site, wire(ODD) as other:
        desk = make_desk(f"{site.address}{DESK}", canary=f"{site.address}{CANARY}")
        assert held.check(desk, other.address).canary is None
        assert site.requests == []


@pytest.mark.parametrize(
    "canary",
    [
        "http://127.0.0.1:8800/booking/create/23014",
        "http://127.0.0.1:8801/x",
        "x",
    ],
)
def test_a_canary_is_another_page_of_the_same_host(canary: str) -> None:
    with pytest.raises(ValidationError, match="canary"):
        make_desk(canary=canary)


def test_a_platform_that_asks_by_its_parameters_takes_no_canary(
    tmp_path: Path, settings_env: Callable[..., None]
) -> None:
    url = "https://www.keldoc.com/mairie/lyon-69000/mairie"
    entry = desk_entry("x", url, NOW.date(), canary=f"{url}-2").replace("ezbooking", "keldoc")
    asked = "    parameters: {clinic: 1, specialty: 2, cabinet: 3, motive: 4}\n"
    (tmp_path / f"{PREFECTURE}.yaml").write_text(prefecture_file(tier=3, hosts=[], desks=[entry + asked]))
    settings_env(PREFECTURES_DIR=tmp_path)
    with pytest.raises(CatalogueError, match="canary: keldoc asks by its parameters"):
        check_catalogue()
