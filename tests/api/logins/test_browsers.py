from hypothesis import given
from hypothesis import strategies as st

from api.logins.service import LONGEST, name_browser
from tests.in_turn import in_turn

_CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0"


@in_turn(
    "agent, name",
    [
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0",
            "Firefox, Windows",
        ),
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_CHROME} Safari/537.36 Edg/140.0.0.0", "Edge, Windows"),
        (f"Mozilla/5.0 (Linux; Android 14) {_CHROME} Mobile Safari/537.36", "Chrome, Android"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1",
            "Safari, iPhone",
        ),
        ("curl/8.5.0", "curl"),
        ("okhttp", "okhttp"),
        ("", ""),
        ("\u200b", ""),
    ],
)
def test_a_browser_has_a_name_that_its_owner_knows(agent: str, name: str) -> None:
    assert name_browser(agent) == name


@given(st.text())
def test_no_agent_is_too_strange_or_too_long(agent: str) -> None:
    assert len(name_browser(agent)) <= LONGEST
