"""Calls and answers of DWR: written as its engine.js does, read as data, and never run."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from crawler.platforms.esirius.dwr import Reply, call, reply
from tests.crawler.esirius_pages import failed, refused, second, third
from tests.in_turn import in_turn


def test_no_value_can_write_a_line_of_its_own() -> None:
    sent = call("/p", "A", "m", "a\nbatchId=7 é:{}", {"k:1, x": "l\r\nc0-id=9", "b": 2})
    assert [line.partition("=")[0] for line in sent.splitlines()].count("batchId") == 1
    assert "c0-param0=string:a%0AbatchId%3D7%20%C3%A9%3A%7B%7D\n" in sent
    assert "c0-e1=string:l%0D%0Ac0-id%3D9\n" in sent
    assert "c0-param1=Object_Object:{k%3A1%2C%20x:reference:c0-e1, b:reference:c0-e2}\n" in sent


@in_turn(
    "text, said",
    [
        (failed("Error"), "exception: Error"),
        (refused("Session Error"), "exception: Session Error"),
        ('dwr.engine.remote.handleException("0","0",{});', "an exception"),
        (second([]) + failed("late"), "exception: late"),
    ],
)
def test_an_exception_is_one_whatever_stands_beside_it(text: str, said: str) -> None:
    assert reply(text) == Reply(error=said)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.from_regex(r"[a-z][A-Za-z0-9_]{0,8}", fullmatch=True), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(values, st.sampled_from([second, third]))
def test_what_was_returned_is_what_is_read(value: Any, write: Any) -> None:
    if "andleCallback(" not in str(value) and "xception(" not in str(value).lower():
        assert reply(write(value)) == Reply(value)
