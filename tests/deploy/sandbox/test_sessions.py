"""The visitors of a site: known by their cookie, the longest unseen forgotten."""

import pytest
from aiohttp.test_utils import make_mocked_request
from aiohttp.web import Request

from deploy.sandbox.sites import sessions
from deploy.sandbox.sites.sessions import Sessions

COOKIE = "eZSESSID"


def request(key: str) -> Request:
    return make_mocked_request("GET", "/", headers={"Cookie": f"{COOKIE}={key}"})


def test_a_visitor_is_known_by_the_cookie() -> None:
    known = Sessions(COOKIE)
    session = known.begin()
    assert known.of(request(session.key)) is session
    assert known.of(request("other")) is None
    assert known.of(make_mocked_request("GET", "/")) is None


def test_keys_are_not_repeated() -> None:
    known = Sessions(COOKIE)
    assert len({known.begin().key for _ in range(100)}) == 100


def test_the_longest_unseen_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "_KEPT", 2)
    known = Sessions(COOKIE)
    first, second = known.begin(), known.begin()
    assert known.of(request(first.key)) is first
    third = known.begin()
    assert known.of(request(second.key)) is None
    assert known.of(request(first.key)) is first
    assert known.of(request(third.key)) is third


def test_cleared_means_nobody_is_known() -> None:
    known = Sessions(COOKIE)
    session = known.begin()
    known.clear()
    assert known.of(request(session.key)) is None
