import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from configs.world.desk import Outcome
from crawler.classification import classify_page
from crawler.commands.read import describe
from crawler.platforms import platform
from crawler.reading import CoveredWindow, Page, Release
from tests.crawler import rdvpref_pages as rdv
from tests.crawler.golden import CASES, expected, load, name_of
from tests.crawler.pages import PARIS, TODAY, play
from tests.crawler.rdvpref_pages import agenda, choice, read, tranche, visit
from tests.in_turn import in_turn

RDVPREF = platform("rdvpref")

NINE = datetime.fromisoformat("2026-11-23T09:30")  # a wall clock, as the page writes it
MIDNIGHT = datetime.fromisoformat("2026-11-20")
WEEK = CoveredWindow("", TODAY, TODAY + timedelta(days=6))
TO_HORIZON = CoveredWindow("", TODAY, TODAY + timedelta(days=90))


@in_turn(
    "wall, moment", [("2026-10-25T02:30", "2026-10-25T00:30:00+00:00"), ("2026-03-29T02:30", "2026-03-29")]
)
def test_an_hour_that_never_comes_is_its_day_and_one_that_comes_twice_the_first(
    wall: str, moment: str
) -> None:
    hour = datetime.fromisoformat(wall)
    reading = read(choice(agenda([tranche(hour)], first=hour.date())))
    assert [slot.moment_text for slot in reading.slots] == [moment]


hours = st.integers(0, 7 * 24 * 60 - 1).map(lambda minute: MIDNIGHT + timedelta(minutes=minute))
wraps: list[Callable[[dict[str, Any]], object]] = [
    lambda told: told,
    lambda told: {"agenda": told},
    lambda told: {"reservation": {"trhId": None, "choix": [{"calendrier": told}]}},
    lambda told: {"tranchesUi": told.pop("tranches"), "agenda": told | {"tranches": []}},
]  # fmt: skip


@given(st.lists(hours, max_size=30), st.sampled_from(wraps), st.sampled_from([int, str]), st.booleans())
def test_what_the_state_holds_is_what_is_read(
    walls: list[datetime], wrap: Callable[[dict[str, Any]], object], write: type, clock: bool
) -> None:
    told = [tranche(wall, number) for number, wall in enumerate(walls)]
    for row, wall in zip(told, walls, strict=True):
        row["minutesDebut"] = f"{wall:%H:%M}" if clock else write(row["minutesDebut"])
    reading = read(choice(wrap(agenda(told))))
    assert {slot.moment for slot in reading.slots} == {
        wall.replace(tzinfo=PARIS).astimezone(UTC) for wall in walls
    }
    assert reading.outcome is (Outcome.SLOTS if walls else Outcome.NO_SLOTS)
    assert reading.covered == ((WEEK,) if walls else (TO_HORIZON,))


# The site's framework writes dates in ISO since March 2025, its older script in French.


def other_spelling(body: bytes) -> bytes:
    def turn(found: re.Match[str]) -> str:
        if found["iso"]:
            year, month, day = found["iso"].split("-")
            return f"{day}/{month}/{year}" + (f" {found['late']}" if found["late"] else "")
        day, month, year = found["french"].split("/")
        return f"{year}-{month}-{day}" + (f"T{found['hour']}" if found["hour"] else "")

    iso = r"(?P<iso>20\d\d-\d\d-\d\d)(?:[T ](?P<late>\d\d:\d\d))?"
    french = r"(?P<french>\d\d/\d\d/20\d\d)(?: (?P<hour>\d\d:\d\d))?"
    return re.sub(f"{iso}|{french}", turn, body.decode()).encode()


@in_turn("case", [case for case in CASES if case.parent.name == "rdvpref"], name_of)
def test_a_golden_page_means_the_same_in_either_spelling_of_its_dates(case: Path) -> None:
    page = load(case)
    for body in (page.body, other_spelling(page.body)):
        said = describe(classify_page(RDVPREF, replace(page, body=body)), page.visit.zone)
        assert said == expected(case)


PUBLISHED = {"dateMin": "2026-11-27", "dateMax": "2026-12-03", "instantPublication": "2026-11-24T11:58"}


@in_turn("first", ["20/11/2026", "2026-11-20"])
def test_the_moments_of_publications_are_no_slots(first: str) -> None:
    told = agenda(isCurrentMaxWeek=True, prochainePub=PUBLISHED, precedentePub=PUBLISHED, premierJour=first)
    reading = read(choice(told))
    assert (reading.outcome, reading.covered) == (Outcome.NO_SLOTS, (TO_HORIZON,))
    assert reading.releases_at == datetime(2026, 11, 24, 10, 58, tzinfo=UTC)
    another = read(choice({**told, "libre": "2026-11-24T09:00"}))
    assert (another.outcome, another.covered) == (Outcome.UNREADABLE, ())


BEFORE = {"dateMin": "2026-11-20", "dateMax": "2026-11-26", "instantPublication": "2026-11-17T11:58"}
IN_WORDS = "Prochaine mise en ligne de nouveaux rendez-vous : le 24/11/2026 à 11:58 / pour des créneaux de la semaine du 27/11/2026"


def french(release: dict[str, str]) -> dict[str, str]:
    return {key: other_spelling(each.encode()).decode().replace("T", " ") for key, each in release.items()}


@in_turn("spelled", [dict, french])
def test_the_last_and_the_next_release_are_read_with_their_days(
    spelled: Callable[[dict[str, str]], dict[str, str]],
) -> None:
    told = agenda(isCurrentMaxWeek=True, prochainePub=spelled(PUBLISHED), precedentePub=spelled(BEFORE))
    before = Release(datetime(2026, 11, 17, 10, 58, tzinfo=UTC), date(2026, 11, 20), date(2026, 11, 26))
    after = Release(datetime(2026, 11, 24, 10, 58, tzinfo=UTC), date(2026, 11, 27), date(2026, 12, 3))
    assert read(choice(told)).publications == (before, after)
    without = {**PUBLISHED, "dateMin": ""}
    assert read(choice(agenda(isCurrentMaxWeek=True, prochainePub=without))).publications == ()


DAMAGED: list[dict[str, Any]] = [
    {"instantPublication": None}, {"instantPublication": "bientôt"}, {"instantPublication": "2026-11-24"},
    {"instantPublication": "2026-11-31T11:58"}, {"instantPublication": "2026-11-24T25:58"}, {"instantPublication": 1795518000},
    {"instantPublication": "2037-11-24T11:58"}, {"instantPublication": "1999-11-24T11:58"}, {"instantPublication": "9999-12-31T23:59"},
    {"dateMin": None}, {"dateMin": "2026-11-27T00:00"}, {"dateMin": "2026-12-04"}, {"dateMax": "2037-12-03"}, {"dateMax": []},
]  # fmt: skip


@in_turn("damage", DAMAGED, str)
def test_a_release_whose_instant_or_days_are_damaged_or_far_away_is_none_and_takes_no_other_along(
    damage: dict[str, Any],
) -> None:
    told = agenda(isCurrentMaxWeek=True, prochainePub=PUBLISHED | damage, precedentePub=BEFORE)
    result, _ = play("rdvpref", visit(), lambda _ask: choice(told), limit=1)
    assert [each.first for each in result.publications] == [date(2026, 11, 20)]


def test_a_page_that_a_browser_saved_tells_a_release_in_words() -> None:
    body = f"<title>Choisissez votre créneau</title><form><p>{rdv.NONE_LEFT}</p><p>{IN_WORDS}</p></form>"
    after = Release(datetime(2026, 11, 24, 10, 58, tzinfo=UTC), date(2026, 11, 27), date(2026, 12, 3))
    assert read(body).publications == (after,)


def test_the_sentence_for_none_stands_below_the_hours_of_the_last_published_week() -> None:
    week = [tranche(NINE), {**tranche(NINE, 1), "dateLocale": "2026-11-25"}]
    told = agenda(week, isCurrentMaxWeek=True, precedentePub=PUBLISHED)
    hours = "<ul><li class='radio-card'><input type='radio' name='trhId' id='trhId_7000'/></li></ul>"
    for content in (rdv.NONE_LEFT, f"{hours}<div>{rdv.NONE_LEFT}</div>"):
        reading = read(choice(told, content=f"<div>{content}</div>"))
        assert (reading.outcome, len(reading.slots), reading.covered) == (Outcome.SLOTS, 2, (WEEK,))


# Their absence


@in_turn("told", ["Prochaine mise en ligne de nouveaux rendez-vous", "Dernière mise en ligne de rendez-vous"])  # fmt: skip
def test_where_no_calendar_is_shown_there_is_nothing(told: str) -> None:
    later, published = "<p>Veuillez réessayer ultérieurement.</p>", f"<p>{told} : le 24/11/2026 à 14:00</p>"
    bodies = (
        choice({"isDisplayCalendar": False}),
        choice(agenda(premiereDispo=None, isDisplayCalendar=False)),
        rdv.whole("Choisissez votre créneau", f"<form>{later}{published}</form>"),
    )
    for body in bodies:
        assert (read(body).outcome, read(body).covered) == (Outcome.NO_SLOTS, (TO_HORIZON,))
    for body in (f"<form>{later}</form>", f"<form>{published}</form>", later + published):
        assert read(rdv.whole("Choisissez votre créneau", body)).outcome is Outcome.UNREADABLE
    hidden = agenda([tranche(NINE)], isDisplayCalendar=False)  # a narrow screen lists them all the same
    assert read(choice(hidden, content=later + published)).outcome is Outcome.SLOTS


@in_turn("body", [
    choice(agenda(premierJour=None)), choice(agenda(nombreDeJour="7")), choice(agenda(nombreDeJour=0)),
    choice(agenda()).replace('"uiMessageStack": {}', '"uiMessageStack": {"globalErrors": ["Votre session a expiré"]}'),
    choice(agenda(), content="<p>Prochain créneau disponible : mardi 1er décembre 2026</p>"),
    rdv.whole("Choisissez votre créneau", "<form><p>Une erreur est survenue.</p><p>Veuillez réessayer ultérieurement.</p><p>Dernière mise en ligne de rendez-vous : le 04/05/2026 à 11:58</p></form>"),
    choice({"a": agenda(), "b": agenda(first=date(2026, 11, 30))}), choice({}), choice([]), choice({"tranches": [5]}),
    rdv.whole("Choisissez votre créneau", "<div>Aucun créneau disponible sur cette semaine</div>"),
    rdv.whole("Choisissez votre créneau", f'<div v-if="isCurrentMaxWeek"><p>{rdv.NONE_LEFT}</p></div>'),
    rdv.whole("Choisissez votre créneau", f"<div>{rdv.NONE_LEFT}</div><script>var a = [{{trhId: 5}}]</script>"),
    choice(agenda()).replace('id="vui-init-data"', 'id="vui-init"'), choice(agenda()).replace("}</script>", "</script>"),
    choice(agenda()).replace("</form>", f'</form>{choice(agenda()).partition("</form>")[2].partition("</main>")[0]}'),
    choice(agenda()).replace('{"vueData"', "[" * 20_000),
])  # fmt: skip
def test_without_its_proof_an_absence_is_unreadable(body: str) -> None:
    reading = read(body)
    assert (reading.outcome, reading.covered) == (Outcome.UNREADABLE, ())


@in_turn(
    "around, how",
    [("ul", "type='radio' disabled"), ("fieldset disabled", "type='radio'"), ("ul", "type='hidden'")],
)
def test_hours_that_cannot_be_chosen_are_none_and_prove_no_absence(around: str, how: str) -> None:
    hour = (
        f'<li class="radio-card"><input {how} name="trhId" id="trhId_7" value="7"/><label>09h30</label></li>'
    )
    reading = read(rdv.whole("Choisissez votre créneau", f"<{around}>{hour}</{around.split(maxsplit=1)[0]}>"))
    assert (reading.outcome, reading.slots, reading.covered) == (Outcome.UNREADABLE, (), ())


# The next release


@in_turn("zone, instant", [("Europe/Paris", 13), ("Indian/Reunion", 10)])
def test_the_next_release_is_an_instant_of_the_desks_clock(zone: str, instant: int) -> None:
    at = datetime(2026, 11, 24, instant, tzinfo=UTC)
    published = {"instantPublication": "24/11/2026 14:00", "dateMin": "07/12/2026", "dateMax": "11/12/2026"}
    shown = "<span>Prochaine mise en ligne de nouveaux rendez-vous : le 24/11/2026 à 14:00</span>"
    for body in (choice(agenda(prochainePub=published)), choice(agenda(), content=shown)):
        assert read(body, of=visit(zone=ZoneInfo(zone))).releases_at == at


@in_turn("behind", ["", "?", "?x=1", "#top", ";jsessionid=A1"])
def test_a_404_at_the_entry_of_a_procedure_says_that_it_is_over_whatever_follows_its_address(
    behind: str,
) -> None:
    entry = RDVPREF.first_request(visit())
    found = classify_page(RDVPREF, Page(f"{visit().url.rstrip('/')}/{behind}", 404, b"", visit(), entry))
    assert (found.outcome, found.reason) == (Outcome.CLOSED, "HTTP 404: there is no such procedure")


def test_a_404_further_on_says_nothing_of_the_procedure() -> None:
    entry = RDVPREF.first_request(visit())
    found = classify_page(RDVPREF, Page(f"{visit().url.rstrip('/')}/creneau/", 404, b"", visit(), entry))
    assert found.outcome is not Outcome.CLOSED
