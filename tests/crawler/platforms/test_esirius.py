"""eSirius: its pages and DWR answers as its public script describes them, and what is read from them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.world.outcome import Outcome
from crawler.platforms import platform
from tests.crawler import esirius_pages as pages
from tests.crawler.esirius_pages import (
    CALL,
    DESK,
    FORM,
    FOUND,
    LIST,
    MOTIVES,
    NOTHING,
    ROOT,
    read,
    second,
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


@in_turn("url", ["https://a.fr/", "https://a.fr/eAppointment/", "ftp://a/x/appointment.do"])
def test_an_address_of_another_shape_is_refused_in_words(url: str) -> None:
    with pytest.raises(ValueError, match="is no eSirius address: it must be https://"):
        ESIRIUS.first_request(visit(url))


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


@in_turn("call", [
    "AjaxSelectionFormFeeder.confirmAppointment", "AjaxAvailableTimeArea.savePreselectedRdv",
    "AjaxAvailableTimeArea.processSoonestTimeAreaSelected", "__System.generateId",
])  # fmt: skip
def test_no_call_but_the_two_that_look_is_ever_made(call: str) -> None:
    for method in ("GET", "POST"):
        assert ESIRIUS.is_forbidden(f"{ROOT}/dwr/call/plaincall/{call}.dwr", method)
    assert ESIRIUS.is_forbidden(f"{ROOT}/appointment.do", "POST")
    assert not any(
        ESIRIUS.is_forbidden(url, method) for url, method in ((CALL, "POST"), (LIST, "POST"), (DESK, "GET"))
    )


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
