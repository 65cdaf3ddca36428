"""The wizard's protocol, step by step, as booking programs meet it."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from deploy.sandbox.running import Running

PARIS = ZoneInfo("Europe/Paris")
SENTENCE = (
    "Il n'existe plus de plage horaire libre pour votre demande de rendez-vous. "
    "Veuillez recommencer ultérieurement."
)
START = "Effectuer une demande de rendez-vous"
Visit = Callable[[str | int], Any]


def accept(visitor: Any, form: int, prefix: str = "") -> Any:
    """Pass step 0 as a person does; return the answer to its form."""
    assert visitor.get(f"{prefix}/booking/create/{form}/0").status == 200
    return visitor.send(f"{prefix}/booking/create/{form}/0", condition="on", nextButton=START)


def pictures(page: str) -> list[str]:
    return re.findall(r"/(etape_\w+)\.png", page)


@pytest.mark.parametrize(
    "path", ["/booking/create/23014", "/booking/create/23014/", "/booking/create/23014/0"]
)
def test_the_conditions_give_a_session(visit: Visit, path: str) -> None:
    visitor = visit(91)
    answer = visitor.get(path)
    assert answer.status == 200
    assert 'id="condition"' in answer.text
    assert f'value="{START}"' in answer.text
    assert len(visitor.cookies["eZSESSID"]) == 32
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"


def test_pages_have_the_weight_of_real_ones(visit: Visit) -> None:
    assert 10_000 <= len(visit(91).get("/booking/create/23014/0").body) <= 15_000


def test_a_session_is_given_once(visit: Visit) -> None:
    visitor = visit(91)
    visitor.get("/booking/create/23014/0")
    given = visitor.cookies["eZSESSID"]
    assert visitor.get("/booking/create/23014/0").headers["Set-Cookie"] is None
    assert visitor.cookies["eZSESSID"] == given


def test_conditions_not_accepted_are_shown_again(visit: Visit) -> None:
    visitor = visit(91)
    visitor.get("/booking/create/23014/0")
    answer = visitor.send("/booking/create/23014/0", nextButton=START)
    assert answer.status == 200
    assert "Veuillez accepter les conditions" in answer.text


def test_a_form_posted_without_a_session_starts_anew(visit: Visit) -> None:
    answer = visit(91).send("/booking/create/23014/0", condition="on", nextButton=START)
    assert answer.status == 200
    assert 'id="condition"' in answer.text
    assert answer.headers["Set-Cookie"]


@pytest.mark.parametrize("step", [1, 2, 3, 4, 6, 8, 9])
def test_no_step_is_reached_without_the_conditions(visit: Visit, step: int) -> None:
    answer = visit(91).get(f"/booking/create/23014/{step}")
    assert (answer.status, answer.location) == (302, "/booking/create/23014/0")


def test_a_form_with_several_plannings_asks_which(visit: Visit) -> None:
    visitor = visit(91)
    assert accept(visitor, 23014).location == "/booking/create/23014/1"
    page = visitor.get("/booking/create/23014/1").text
    inputs = re.findall(
        r'<input type="radio" class="radio" name="planning" id="planning(\d+)" value="(\d+)"', page
    )
    assert inputs == [(number, number) for number in ("23018", "23198", "23199", "23200", "23201")]
    assert re.findall(r"<label for=\"planning\d+\">(.+?)</label>", page) == [
        f"Guichet {letter}" for letter in "ABCDE"
    ]
    assert '<fieldset id="fchoix_Booking">' in page
    assert '<p class="Bligne">' in page


def test_no_choice_is_asked_for_again(visit: Visit) -> None:
    visitor = visit(91)
    accept(visitor, 23014)
    for form in ({}, {"planning": "1"}, {"planning": "abc"}):
        answer = visitor.send("/booking/create/23014/1", nextButton="Etape suivante", **form)
        assert answer.status == 200
        assert "Veuillez choisir un guichet" in answer.text


@pytest.mark.parametrize("step", [2, 3, 4])
def test_later_steps_want_the_choice_first(visit: Visit, step: int) -> None:
    visitor = visit(91)
    accept(visitor, 23014)
    answer = visitor.get(f"/booking/create/23014/{step}")
    assert answer.status == 302
    assert answer.location in {"/booking/create/23014/1", "/booking/create/23014/3"}


@pytest.mark.parametrize(("code", "form"), [(77, 48803), (93, 9845), (78, 990078)])
def test_a_form_with_one_planning_skips_the_choice(
    visit: Visit, sandbox: Running, code: int, form: int
) -> None:
    assert accept(visit(code), form).location == f"/booking/create/{form}/2"
    sandbox.open_slots(code, form)
    visitor = visit(code)
    assert accept(visitor, form).location == f"/booking/create/{form}/3"
    assert visitor.get(f"/booking/create/{form}/1").location == f"/booking/create/{form}/3"


def test_a_full_planning_says_so_in_the_known_sentence(visit: Visit) -> None:
    visitor = visit(91)
    accept(visitor, 23014)
    chosen = visitor.send("/booking/create/23014/1", planning="23198", nextButton="Etape suivante")
    assert chosen.location == "/booking/create/23014/2"
    page = visitor.get("/booking/create/23014/2").text
    form = re.search(r'<form name="create"[^>]*id="FormBookingCreate"[^>]*>(.*?)</form>', page, re.DOTALL)
    assert form
    assert form[1].strip().startswith(SENTENCE)
    assert re.findall(r"<input[^>]*>", form[1]) == [
        '<input type="submit" name="finishButton" value="Terminer" title="Quitter la demande" class="Bbutton" />'
    ]
    assert "<h2>Vérification de disponibilité</h2>" in page
    assert pictures(page) == ["etape_1G", "etape_3", "etape_4", "etape_6", "etape_8", "etape_9"]


def test_the_end_of_a_full_planning_leads_home(visit: Visit) -> None:
    visitor = visit(77)
    accept(visitor, 48803)
    assert visitor.send("/booking/create/48803/2", finishButton="Terminer").location == "/"
    assert "Prendre un rendez-vous" in visitor.get("/").text


def test_an_open_planning_leads_to_the_calendar(visit: Visit, sandbox: Running) -> None:
    sandbox.open_slots(91, 23014, planning=23199)
    visitor = visit(91)
    accept(visitor, 23014)
    chosen = visitor.send("/booking/create/23014/1", planning="23199", nextButton="Etape suivante")
    assert chosen.location == "/booking/create/23014/3"
    terms = visitor.get("/booking/create/23014/3").text
    assert "Descriptif" in terms
    assert '<input type="submit" name="nextButton" value="Etape suivante"' in terms
    assert pictures(terms)[:3] == ["etape_1G", "etape_3r", "etape_4"]
    assert SENTENCE not in terms
    assert (
        visitor.send("/booking/create/23014/3", nextButton="Etape suivante").location
        == "/booking/create/23014/4"
    )
    page = visitor.get("/booking/create/23014/4").text
    assert pictures(page)[:3] == ["etape_1G", "etape_3G", "etape_4r"]
    assert "bookingserver::planning::assign::23014::23199::" in page
    assert 'value="Première plage horaire libre"' in page


def test_the_calendar_page_wants_the_terms_first(visit: Visit, sandbox: Running) -> None:
    sandbox.open_slots(77, 48803)
    visitor = visit(77)
    accept(visitor, 48803)
    assert visitor.get("/booking/create/48803/4").location == "/booking/create/48803/3"


def test_the_verdict_follows_the_slots_and_not_the_past(visit: Visit, sandbox: Running) -> None:
    visitor = visit(77)
    accept(visitor, 48803)
    sandbox.open_slots(77, 48803)
    assert visitor.get("/booking/create/48803/2").location == "/booking/create/48803/3"
    sandbox.take_slots(77, 48803)
    assert visitor.get("/booking/create/48803/3").location == "/booking/create/48803/2"
    assert SENTENCE in visitor.get("/booking/create/48803/2").text


def test_plannings_are_full_and_open_each_for_itself(visit: Visit, sandbox: Running) -> None:
    sandbox.open_slots(93, 16105, planning=16107)
    visitor = visit(93)
    accept(visitor, 16105)
    found = {
        planning: visitor.send(
            "/booking/create/16105/1", planning=planning, nextButton="Etape suivante"
        ).location[-1]
        for planning in ("16106", "16107")
    }
    assert found == {"16106": "2", "16107": "3"}


def test_the_other_address_keeps_its_way(visit: Visit) -> None:
    visitor = visit(93)
    answer = accept(visitor, 9845, prefix="/index.php")
    assert answer.location == "/index.php/booking/create/9845/2"
    page = visitor.get(answer.location).text
    assert 'action="/index.php/booking/create/9845/2"' in page


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_calendar_shows_what_is_open(visit: Visit, sandbox: Running, method: str) -> None:
    slots = sandbox.open_slots(77, 48803, count=5)
    visitor = visit(77)
    accept(visitor, 48803)
    today = datetime.now(PARIS).date()
    links: list[int] = []
    for days in range(0, 35, 7):
        path = f"/ezjscore/call/bookingserver::planning::assign::48803::48804::{days}"
        page = visitor.ask(method, path).text
        first = today + timedelta(days=days)
        assert f'<th colspan="7">Semaine du {first:%d/%m/%Y}' in page
        links += [int(unix) for unix in re.findall(r'href="/booking/create/48803/5/(\d+)"', page)]
    assert sorted(links) == [int(slot.timestamp()) for slot in slots]


@pytest.mark.parametrize("call", ["48803::48804::0", "48803%3A%3A48804%3A%3A0"])
def test_a_calendar_can_be_asked_for_encoded(visit: Visit, call: str) -> None:
    visitor = visit(77)
    accept(visitor, 48803)
    assert visitor.get(f"/ezjscore/call/bookingserver::planning::assign::{call}").status == 200


def test_the_calendar_wants_a_session_that_passed_the_conditions(visit: Visit) -> None:
    visitor = visit(77)
    path = "/ezjscore/call/bookingserver::planning::assign::48803::48804::0"
    assert visitor.get(path).location == "/booking/create/48803/0"
    visitor.get("/booking/create/48803/0")
    assert visitor.get(path).location == "/booking/create/48803/0"


def test_the_calendar_wants_a_user_agent(visit: Visit) -> None:
    visitor = visit(77)
    accept(visitor, 48803)
    path = "/ezjscore/call/bookingserver::planning::assign::48803::48804::0"
    assert visitor.get(path, User_Agent="").status == 403


@pytest.mark.parametrize(
    "path",
    [
        "/booking/create/1/0",
        "/booking/create/1/5/1800000000",
        "/ezjscore/call/bookingserver::planning::assign::48803::1::0",
        "/ezjscore/call/bookingserver::planning::assign::1::48804::0",
        "/ezjscore/call/bookingserver::planning::assign::48803::48804::-7",
        "/ezjscore/call/other",
        "/anything",
    ],
)
def test_what_does_not_exist_is_404(visit: Visit, path: str) -> None:
    visitor = visit(77)
    accept(visitor, 48803)
    answer = visitor.get(path)
    assert answer.status == 404
    assert "Page introuvable" in answer.text


def test_step_5_takes_the_slot_and_is_counted(
    visit: Visit, sandbox: Running, caplog: pytest.LogCaptureFixture
) -> None:
    (slot,) = sandbox.open_slots(77, 48803)
    assert sandbox.reservations(77) == 0
    answer = visit(77).get(f"/booking/create/48803/5/{int(slot.timestamp())}")
    assert "Plage horaire retenue" in answer.text
    assert sandbox.reservations(77) == 1
    assert sandbox.take_slots(77, 48803) == []
    assert "A SLOT WAS TAKEN" in caplog.text


def test_the_button_of_step_4_takes_the_first_slot(visit: Visit, sandbox: Running) -> None:
    first, second = sandbox.open_slots(77, 48803, count=2)
    visitor = visit(77)
    accept(visitor, 48803)
    visitor.send("/booking/create/48803/3", nextButton="Etape suivante")
    visitor.send("/booking/create/48803/4", nextButton="Première plage horaire libre")
    assert sandbox.reservations(77) == 1
    assert sandbox.take_slots(77, 48803) == [max(first, second)]


@pytest.mark.parametrize("mark", ["", "r", "G"])
def test_the_progress_pictures_exist(visit: Visit, mark: str) -> None:
    answer = visit(77).get(f"/extension/booking/design/images/etape_3{mark}.png")
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.body.startswith(b"\x89PNG\r\n")


@pytest.mark.parametrize("code", ["75", "77", "78", "91", "92", "93", "94", "95"])
def test_each_department_is_a_host_of_its_own(visit: Visit, sandbox: Running, code: str) -> None:
    assert sandbox.site(code).startswith(f"http://127.77.0.{code}:")
    state = visit(code).get("/_control").json
    for form in state["forms"]:
        page = visit(code).get(f"/booking/create/{form['form']}").text
        assert f'action="/booking/create/{form["form"]}/0"' in page


def offered(page: str) -> list[str]:
    return re.findall(r'name="planning" id="planning(\d+)"', page)


def choose(visitor: Any, key: str) -> Any:
    return visitor.send("/booking/create/23014/1", planning=key, nextButton="Etape suivante")


def test_a_planning_leaves_its_form_and_comes_back(visit: Visit, sandbox: Running) -> None:
    visitor = visit(91)
    accept(visitor, 23014)
    before = offered(visitor.get("/booking/create/23014/1").text)
    sandbox.mode(91, "planning_gone", form=23014, planning=23198)
    assert offered(visitor.get("/booking/create/23014/1").text) == [
        each for each in before if each != "23198"
    ]
    assert "Veuillez choisir" in choose(visitor, "23198").text
    sandbox.mode(91, "normal", form=23014)
    assert offered(visitor.get("/booking/create/23014/1").text) == before


def test_texts_of_absurd_length_lead_to_the_planning_that_they_stand_for(
    visit: Visit, sandbox: Running
) -> None:
    sandbox.open_slots(91, 23014, planning=23201)
    sandbox.mode(91, "huge", form=23014)
    visitor = visit(91)
    accept(visitor, 23014)
    page = visitor.get("/booking/create/23014/1").text
    key = max(offered(page), key=len)
    assert (len(key), len(page) > 100_000) == (6_000, True)
    assert choose(visitor, key).location == "/booking/create/23014/3"
    week = visitor.get(f"/ezjscore/call/bookingserver::planning::assign::23014::{key}::0")
    assert week.status == 200
    assert max(map(len, re.findall(r"/23014/5/(\d+)", week.text))) == 6_000
    sandbox.mode(91, "normal", form=23014)
    assert visitor.get(f"/ezjscore/call/bookingserver::planning::assign::23014::{key}::0").status == 404
