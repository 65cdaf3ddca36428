"""eSirius: its pages and DWR answers as its public script describes them, and what is read from them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.world.desk import Outcome
from crawler.parsing.dwr import CallFailed, read_reply, write_call
from crawler.platforms import platform
from tests.crawler import esirius_pages as pages
from tests.crawler.esirius_pages import (
    CALL,
    FORM,
    FOUND,
    MOTIVES,
    NOTHING,
    ROOT,
    failed,
    read,
    refused,
    second,
    third,
    visit,
)
from tests.in_turn import in_turn

ESIRIUS = platform("esirius")


@in_turn(
    "tail",
    [
        "/appointment.do?preselectservice=DEPOT",
        "/appointment.do;jsessionid=A.b?x=1",
        "/element/jsp/appointment.jsp",
    ],
)
def test_a_visit_begins_at_the_desks_address_and_goes_on_in_its_application(tail: str) -> None:
    here = visit(ROOT + tail)
    assert ESIRIUS.first_request(here).url == ROOT + tail
    assert [ask.url for ask in read(pages.entry(), step="entry", of=here).asks] == [FORM]


def test_each_motive_is_asked_for_itself_and_another_one_first_each_time() -> None:
    asks = read(pages.motives(), step="motives").asks
    assert [(ask.method, ask.url, ask.place.key, ask.place.label) for ask in asks] == [
        ("POST", CALL, key, label) for key, label in MOTIVES.items()
    ]
    assert "c0-param1=Object_Object:{20:reference:c0-e1}\n" in asks[0].text
    assert "page=/eAppointmentpref94/element/jsp/appointment.jsp\n" in asks[0].text
    turned = read(pages.motives(), step="motives", of=visit(turn=1)).asks
    assert [ask.place.key for ask in turned] == ["120", "20"]


@in_turn("message", [
    None, "", "Erreur technique", "Vous ne pouvez pas prendre plus de 2 rendez-vous.", "Veuillez choisir un motif.", 5,
])  # fmt: skip
def test_an_absence_that_does_not_say_so_is_unreadable(message: object) -> None:
    reading = read(second({**NOTHING, "msg": message}))
    assert (reading.outcome, reading.covered) == (Outcome.UNREADABLE, ())


@given(st.booleans(), st.sampled_from([pages.second, pages.third, pages.by_variables]), st.data())
def test_a_broken_answer_never_says_what_the_whole_one_does_not(
    found: bool, write: pages.Write, data: st.DataObject
) -> None:
    whole = write(FOUND if found else NOTHING)
    at = data.draw(st.integers(0, len(whole)))
    body = (
        whole[:at]
        + data.draw(st.text("(){}[];,:'\"sx0.=\\\n ", max_size=2))
        + whole[at + data.draw(st.integers(0, 40)) :]
    )
    reading = read(body)
    assert reading.outcome in (Outcome.UNREADABLE, Outcome.SLOTS if found else Outcome.NO_SLOTS), body


# Calls and answers of DWR: written as its engine.js does, read as data, and never run


def test_no_value_can_write_a_line_of_its_own() -> None:
    sent = write_call("/p", "A.m", "a\nbatchId=7 é:{}", {"k:1, x": "l\r\nc0-id=9", "b": 2})
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
    with pytest.raises(CallFailed, match=f"^{said}$"):
        read_reply(text)


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
        assert read_reply(write(value)) == value
