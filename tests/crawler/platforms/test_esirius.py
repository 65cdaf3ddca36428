"""eSirius: its pages and DWR answers as its public script describes them, and what is read from them."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.world.outcome import Outcome
from crawler.platforms import platform
from crawler.reading import CoveredWindow, Page
from crawler.visit_state import VisitState
from tests.crawler import esirius_pages as pages
from tests.crawler.esirius_pages import (
    CALL,
    DESK,
    FORM,
    FOUND,
    LIST,
    MOTIVES,
    NONE,
    NOTHING,
    ROOT,
    read,
    second,
    visit,
)
from tests.crawler.recordings import PARIS

ESIRIUS = platform("esirius")


@pytest.mark.parametrize(
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


@pytest.mark.parametrize("url", ["https://a.fr/", "https://a.fr/eAppointment/", "ftp://a/x/appointment.do"])
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


def test_a_desk_may_be_some_of_the_motives() -> None:
    asks = read(pages.motives(), step="motives", of=visit(motives=[120, 7])).asks
    assert [ask.place.key for ask in asks] == ["120"]
    none = read(pages.motives(), step="motives", of=visit(motives=[7]))
    assert (none.outcome, none.reason) == (Outcome.UNREADABLE, "of 2 motives 0 are this desk's")


def test_more_motives_than_any_page_offers_are_no_answer() -> None:
    many = pages.motives({str(number): "x" for number in range(51)})
    assert read(many, step="motives").outcome is Outcome.UNREADABLE


def test_the_other_call_is_given_what_the_form_holds() -> None:
    (ask, _) = read(pages.motives(), step="motives", of=visit(call="availabilities")).asks
    assert ask.url == LIST
    for line in ("c0-e2=string:site3", "c0-e3=string:12", "c0-e4=string:09%3A00", "c0-e6=string:2026-11-23"):
        assert f"{line}\n" in ask.text


@pytest.mark.parametrize("message", [
    NONE, "Il n'y a plus de créneaux disponibles.", "Aucune disponibilité pour ce motif", "Il n\u2019existe plus de plage horaire",
])  # fmt: skip
def test_no_slots_is_proven_by_the_answer_and_by_what_it_says(message: str) -> None:
    reading = read(second({**NOTHING, "msg": message}))
    assert (reading.outcome, reading.covered) == (Outcome.NO_SLOTS, (CoveredWindow("20"),))


@pytest.mark.parametrize("message", [
    None, "", "Erreur technique", "Vous ne pouvez pas prendre plus de 2 rendez-vous.", "Veuillez choisir un motif.", 5,
])  # fmt: skip
def test_an_absence_that_does_not_say_so_is_unreadable(message: object) -> None:
    reading = read(second({**NOTHING, "msg": message}))
    assert (reading.outcome, reading.covered) == (Outcome.UNREADABLE, ())


@pytest.mark.parametrize("returned", [None, [None], [{"key": 1}, 3], "open", True, 5])
def test_what_no_call_returns_is_no_answer(returned: object) -> None:
    assert read(second(returned)).outcome is Outcome.UNREADABLE


@pytest.mark.parametrize("found", [0, 1, "true", None, [], {}])
def test_only_true_and_false_are_answers(found: object) -> None:
    assert read(second({"foundAvailabilities": found, "msg": NONE})).outcome is Outcome.UNREADABLE


def test_an_empty_list_is_doubtful_for_it_was_asked_for_one_day_of_the_form() -> None:
    reading = read(second([]))
    assert (reading.outcome, reading.covered) == (Outcome.NO_SLOTS, (CoveredWindow("20", doubtful=True),))


def test_what_is_found_is_open_at_an_unknown_hour() -> None:
    for body in (second(FOUND), second([{"key": 1}])):
        reading = read(body)
        assert (reading.outcome, reading.covered) == (Outcome.SLOTS, ())
        assert [(slot.place.key, slot.moment, slot.url) for slot in reading.slots] == [("20", None, DESK)]


@pytest.mark.parametrize(("status", "step", "outcome"), [
    (404, "entry", Outcome.CLOSED), (410, "entry", Outcome.CLOSED), (404, "motives", Outcome.UNREADABLE),
    (404, "call", Outcome.UNREADABLE), (501, "call", Outcome.UNREACHABLE), (403, "call", Outcome.BLOCKED),
])  # fmt: skip
def test_an_error_is_no_answer(status: int, step: str, outcome: Outcome) -> None:
    assert read(second(FOUND), status=status, step=step).outcome is outcome


@pytest.mark.parametrize("call", [
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


def test_a_check_asks_entry_page_and_each_motive() -> None:
    here = visit()
    state = VisitState(ESIRIUS.first_request(here), limit=9, now=datetime(2026, 11, 20, 9, tzinfo=PARIS))
    while ask := state.next():
        answers = {"20": second(NOTHING), "120": second(FOUND)}
        body = {"entry": pages.entry(), "motives": pages.motives()}.get(ask.step) or answers[ask.place.key]
        state.add_reading(ask, ESIRIUS.read_page(Page(ask.url, 200, body.encode(), here, ask)))
    result = state.result()
    assert (result.outcome, result.asked, result.covered) == (Outcome.SLOTS, 4, (CoveredWindow("20"),))
    assert [slot.place.label for slot in result.slots] == ["Première demande"]


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


def test_a_message_that_is_no_text_is_not_written_out() -> None:
    """Variables that hold each other twice are few bytes, and 2^200 values when they are written out."""
    lines = "var s0=[];" + "".join(f"var s{n + 1}=[s{n},s{n}];" for n in range(200))
    said = second(1).replace("dwr.engine._", f"{lines}\ndwr.engine._")
    value = "{foundAvailabilities:false,msg:s200}"
    assert read(said.replace("'0',1)", f"'0',{value})")).outcome is Outcome.UNREADABLE
