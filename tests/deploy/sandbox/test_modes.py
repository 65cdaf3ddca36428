"""Modes as such: their names, parameters, how long they last, and the ban's arithmetic."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.sandbox.control_error import Refusal
from deploy.sandbox.modes import MODES, BanMode, Mode, Modes, make_mode


@pytest.mark.parametrize("name", sorted(MODES))
def test_every_mode_has_its_defaults(name: str) -> None:
    mode = make_mode(name, {})
    assert mode.parameters == MODES[name]
    assert mode.to_json() == {"mode": name, **MODES[name], "count": None}


def test_an_unknown_mode_names_those_that_exist() -> None:
    with pytest.raises(Refusal) as refused:
        make_mode("broken", {})
    assert refused.value.status == 422
    assert refused.value.known == list(MODES)


@pytest.mark.parametrize(
    ("name", "parameters", "words"),
    [
        ("hang", {"minutes": 3}, "mode hang has no parameter 'minutes'"),
        ("hang", {"seconds": "3"}, "seconds of mode hang must be like 5, not '3'"),
        ("hang", {"seconds": None}, "must be like 5"),
        ("hang", {"seconds": True}, "must be like 5"),
        ("hang", {"seconds": -1}, "must not be negative"),
        ("redirect_away", {"location": 5}, "must be like 'http://127.77.9.9/'"),
    ],
)
def test_a_wrong_parameter_is_named(name: str, parameters: dict[str, float | str], words: str) -> None:
    with pytest.raises(Refusal, match=words.replace("(", r"\(")):
        make_mode(name, parameters)


def test_a_counted_mode_ends_by_itself_and_is_shown_as_ended() -> None:
    modes = Modes()
    modes.set(make_mode("block", {}, count=2))
    met = [modes.met_by(None, calendar=False).name for _ in range(4)]
    assert met == ["block", "block", "normal", "normal"]
    assert modes.site.to_json()["mode"] == "normal"


def test_a_form_has_its_own_mode_before_the_sites() -> None:
    modes = Modes()
    modes.set(make_mode("overload", {}))
    modes.set(make_mode("captcha", {}), form=9845)
    assert modes.met_by(9845, calendar=False).name == "captcha"
    assert modes.met_by(16105, calendar=False).name == "overload"
    assert modes.met_by(None, calendar=False).name == "overload"


def test_normal_for_a_form_leaves_the_sites_mode_and_normal_for_the_site_ends_all() -> None:
    modes = Modes()
    modes.set(make_mode("overload", {}))
    modes.set(make_mode("captcha", {}), form=9845)
    modes.set(Mode(), form=9845)
    assert modes.met_by(9845, calendar=False).name == "overload"
    modes.set(make_mode("captcha", {}), form=9845)
    modes.set(Mode())
    assert modes.met_by(9845, calendar=False).name == "normal"


def test_a_broken_calendar_counts_calendar_requests_only() -> None:
    modes = Modes()
    modes.set(make_mode("calendar_broken", {}, count=1, table={"calendar_broken": {}}))
    assert modes.met_by(1, calendar=False).name == "calendar_broken"
    assert modes.met_by(1, calendar=True).name == "calendar_broken"
    assert modes.met_by(1, calendar=True).name == "normal"


def test_the_ban_of_the_recorded_pattern() -> None:
    ban, mode = BanMode(), make_mode("ban", {"requests": 15, "seconds": 17, "minutes": 40})
    answers = [ban.refuses(mode, float(second)) for second in range(16)]
    assert answers == [False] * 15 + [True]
    assert ban.refuses(mode, 15 + 40 * 60 - 1)
    assert not ban.refuses(mode, 15 + 40 * 60)


@given(st.lists(st.floats(10.01, 600), max_size=60))
def test_who_keeps_below_the_limit_is_never_banned(pauses: list[float]) -> None:
    ban, mode, moment = BanMode(), make_mode("ban", {"requests": 6, "seconds": 60}), 0.0
    for pause in pauses:
        moment += pause
        assert not ban.refuses(mode, moment)


@given(st.integers(1, 20), st.integers(1, 120))
def test_one_request_too_many_is_always_banned(requests: int, seconds: int) -> None:
    ban, mode = BanMode(), make_mode("ban", {"requests": requests, "seconds": seconds, "minutes": 1})
    step = seconds / (requests + 1)
    answers = [ban.refuses(mode, place * step) for place in range(requests + 1)]
    assert answers == [False] * requests + [True]
