"""All platforms: they are found; one rule of all HTML readers, what takes their own sentences for none back."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from configs.world.desk import Outcome
from crawler import platforms
from crawler.platforms import example, platform
from crawler.reading import Reading
from tests.crawler import esirius_pages as esirius
from tests.crawler import ezbooking_pages as ez
from tests.crawler import rdv_service_public_pages as rdvsp
from tests.crawler import rdvpref_pages as rdvpref
from tests.crawler.pages import DESK, PARIS, TODAY, read
from tests.in_turn import in_turn

TROUBLE = "<div role='alert'><p>Votre session a expiré.</p></div>"
ANNOUNCED = "<p>Prochain rendez-vous disponible : mardi 15 décembre</p>"
PAGES: dict[str, Callable[[str], Reading]] = {
    "ezbooking": lambda more: _ezbooking(ez.full().replace("</body>", f"{more}</body>")),
    "ezbooking's error": lambda more: _ezbooking(ez.refused().replace("</body>", f"{more}</body>")),
    "rdv_service_public": lambda more: rdvsp.read(rdvsp.none().replace("</main>", f"</main>{more}")),
    "rdvpref": lambda more: rdvpref.read(
        rdvpref.choice(rdvpref.agenda(), content=f"<div>{rdvpref.NONE_LEFT}</div>{more}")
    ),
}


def _ezbooking(body: str) -> Reading:
    return read(body, url=f"{DESK}/2")


@pytest.mark.rule("3.2")
@in_turn("name", PAGES)
def test_trouble_in_an_alert_takes_the_sentence_back(name: str) -> None:
    assert PAGES[name]("<footer><a>Signaler une erreur</a></footer>").outcome is Outcome.NO_SLOTS
    reading = PAGES[name](TROUBLE)
    assert (reading.outcome, reading.covered) == (Outcome.UNREADABLE, ())


@pytest.mark.rule("3.2")
@in_turn("name", ["ezbooking", "ezbooking's error", "rdv_service_public"])
@in_turn("told", [ANNOUNCED, "<p>Prochain créneau : demain à 9h</p>"])
def test_an_announced_next_availability_is_never_an_absence(name: str, told: str) -> None:
    reading = PAGES[name](told)
    assert (reading.outcome, reading.covered) == (Outcome.UNREADABLE, ())


@pytest.mark.rule("3.2")
def test_a_sentence_that_goes_on_to_narrow_itself_proves_nothing() -> None:
    """Which words narrow it: test_selectors_absence.py."""
    limit, sentence = "pour cette date", "Aucun créneau disponible à partir de cette date"
    told = {
        "ezbooking": _ezbooking(ez.full(f"Il n'existe plus de plage horaire libre {limit}.")),
        "ezbooking's error": _ezbooking(ez.refused(f"Il n'y a pas calendrier disponible {limit}.")),
        "rdvpref": rdvpref.read(
            rdvpref.whole("Choisissez votre créneau", f"<form><p>{sentence} {limit}.</p></form>")
        ),
        "esirius": _esirius(f"Aucun rendez-vous disponible {limit}."),
        "esirius' own": _esirius(f"Tout est pris {limit}.", no_slot_text="Tout est pris"),
    }
    assert {name: str(each.outcome) for name, each in told.items()} == dict.fromkeys(told, "unreadable")
    assert not any(each.covered for each in told.values())


def _esirius(message: str, **parameters: Any) -> Reading:
    nothing = {"foundAvailabilities": False, "initPreviousSelectedService": False, "msg": message}
    return esirius.read(esirius.second(nothing), of=esirius.visit(**parameters))


@in_turn("said", ["Tout est pris pour ce motif.", "Tout est pris pour le moment."])
def test_an_answer_for_one_motive_may_say_so(said: str) -> None:
    assert _esirius(said, no_slot_text="Tout est pris").outcome is Outcome.NO_SLOTS


# Each file of crawler/platforms is a platform

NAMES = sorted(platforms.platforms())


def test_every_file_of_the_folder_is_a_platform() -> None:
    files = {path.stem for path in Path(platforms.__file__).parent.iterdir() if path.stem[0] != "_"}
    assert set(NAMES) == files


@in_turn("name", NAMES)
def test_a_platform_can_begin_a_visit_to_its_own_example(name: str) -> None:
    found = platform(name)
    ask = found.first_request(example(found, TODAY, PARIS))
    assert not found.is_forbidden(ask.url, ask.method)


OTHERS = {
    "ezbooking": ["https://a.gouv.fr/", "https://a.gouv.fr/booking/create/x", "ftp://a/booking/create/1"],
    "esirius": ["https://a.fr/", "https://a.fr/eAppointment/", "ftp://a/x/appointment.do"],
    "rdvpref": [
        "https://a.fr/",
        "https://a.fr/rdvpref/reservation/demarche/x",
        "ftp://a/reservation/demarche/1",
    ],
    **{key: ["https://www.example.fr/"] for key in ("doctolib", "keldoc", "maiia", "citopia", "synbird")},
}


@in_turn("name, url", [(name, url) for name, urls in OTHERS.items() for url in urls])
def test_an_address_of_another_shape_is_refused_in_words(name: str, url: str) -> None:
    desk = example(platform(name), TODAY, PARIS)
    with pytest.raises(ValueError, match=rf"{url} is no \w+ address: it must be https://"):
        platform(name).first_request(replace(desk, url=url))


CALLED, RDVSP = f"{esirius.ROOT}/dwr/call/plaincall/", rdvsp.HOST
TAKING = {
    "citopia": [("PUT", "https://pro.rendezvousonline.fr/api-web/availabilities/lock"), ("PUT", "/availabilities/unlock")],
    "esirius": [
        ("POST", f"{esirius.ROOT}/appointment.do"),
        *((method, f"{CALLED}{call}.dwr") for method in ("GET", "POST") for call in (
            "AjaxSelectionFormFeeder.confirmAppointment", "AjaxAvailableTimeArea.savePreselectedRdv",
            "AjaxAvailableTimeArea.processSoonestTimeAreaSelected", "__System.generateId",
        )),
    ],
    "rdv_service_public": [
        ("GET", f"{RDVSP}/users/rdv_wizard_step/new?starts_at=1"), ("POST", f"{RDVSP}/prendre_rdv"), ("GET", f"{RDVSP}/prescripteur/x"),
    ],
    "rdvpref": [
        ("POST", f"{rdvpref.DESK}cgu/"), ("POST", f"{rdvpref.DESK}cgu/_validerCaptcha"), ("GET", f"{rdvpref.DESK}cgu/_validerCaptcha"),
        ("POST", f"{rdvpref.DESK}creneau/_reserver"),
    ],
}  # fmt: skip
LOOKING = [
    ("citopia", "GET", "https://pro.rendezvousonline.fr/api-web/structures/1/availabilities/week?date=2026-11-24"),
    *(("esirius", method, url) for method, url in (("POST", esirius.CALL), ("GET", esirius.DESK))),
    ("rdv_service_public", "GET", f"{RDVSP}/prendre_rdv?x=/users/"),
    ("rdvpref", "GET", f"{rdvpref.DESK}creneau/?a=/_b"),
]  # fmt: skip


@pytest.mark.rule("3.8")
@in_turn("name", TAKING)
def test_what_takes_or_holds_an_hour_is_forbidden_and_what_looks_is_not(name: str) -> None:
    reader = platform(name)
    assert [each for each in TAKING[name] if not reader.is_forbidden(each[1], each[0])] == []
    assert [url for its, method, url in LOOKING if its == name and reader.is_forbidden(url, method)] == []


NEEDY = [name for name in NAMES if platform(name).EXAMPLE_PARAMETERS]


@in_turn("name", NEEDY)
def test_a_parameter_that_is_needed_is_missed_and_a_wrong_one_refused(name: str) -> None:
    found = platform(name)
    for key in found.EXAMPLE_PARAMETERS:
        wrong = {**found.EXAMPLE_PARAMETERS, key: object()}
        with pytest.raises(ValidationError, match=key):
            found.Parameters(**wrong)
    with pytest.raises(ValidationError):
        found.Parameters()
