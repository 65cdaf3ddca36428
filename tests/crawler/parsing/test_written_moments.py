"""Moments in the words of booking pages: never told at a wrong hour, and never overlooked beside the words for none."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from configs.world.desk import Outcome
from crawler.platforms import platform
from crawler.reading import Reading
from tests.crawler.pages import PARIS, TODAY, visit
from tests.crawler.pages import read as read_page
from tests.fuzz import FUZZ, times
from tests.in_turn import in_turn

URL = "https://mairie.example/rdv"
NONE = "Aucun rendez-vous n'est disponible."
DAY = "jeudi 17 décembre 2026"
MONTHS = "janvier février mars avril mai juin juillet août septembre octobre novembre décembre".split()  # noqa: SIM905
WEEKDAYS = "lundi mardi mercredi jeudi vendredi samedi dimanche".split()  # noqa: SIM905


def read(body: str, **how: Any) -> Reading:
    of = visit(URL, name="selectors", available=".libre", date=".", no_slot_text=NONE)
    page = f"<!DOCTYPE html><html><body><h1>Prendre rendez-vous</h1>{body}</body></html>"
    return read_page(page, name="selectors", url=URL, step="0 1 0 0", of=of, **how)


def tell(written: str) -> str:
    """Return how a free slot is told: its hour on the desk's clock, `day`, or its outcome where it has none."""
    reading = read(f"<div class=libre>{written}</div>")
    moments = [slot.moment for slot in reading.slots]
    if not moments:
        return str(reading.outcome)
    (moment,) = moments
    return f"{moment.astimezone(PARIS):%H:%M}" if isinstance(moment, datetime) else "day"


def is_seen(written: str) -> bool:
    """Tell whether a moment beside the words for none keeps them from proving an absence."""
    return not read(f"<p>{NONE}</p><p>{written}</p>").covered


@in_turn(
    "written, hour",
    [
        (f"{DAY} de 13 à 14h", "13:00"),
        (f"{DAY}, 8-11h", "08:00"),
        ("17/12/2026 de 8 à 8h45", "08:00"),
        (f"{DAY} entre 9 et 11 heures", "09:00"),
        (f"{DAY} 10h30 à 12", "10:30"),
        (f"{DAY} de 9h à midi", "09:00"),
        (f"{DAY}, début 14h, fin 15h", "14:00"),
        (f"{DAY} 10-11 h 15", "10:00"),
        ("December 17, 2026 1:15\u20131:45 pm", "13:15"),
        ("December 17, 2026, 11:30-1:00 pm", "11:30"),
        ("17 December 2026 from 3 to 4 p.m.", "15:00"),
        (f"{DAY} à 3h15 de l'après-midi", "15:15"),
        (f"{DAY}, 7h du soir", "19:00"),
        (f"{DAY}, de 2h à 3h de l'après-midi", "14:00"),
        (f"{DAY}, 9h du matin", "09:00"),
        (f"{DAY}, 2h30 p. m.", "14:30"),
        (f"{DAY}, rendez-vous d'1h à 9h", "09:00"),
        (f"{DAY} 10h20 salle 4", "10:20"),
        (f"{DAY} 15 h 20 min", "15:20"),
        (f"{DAY} 15 heures 20 minutes", "15:20"),
        (f"{DAY} 9 h 45", "09:45"),
        (f"{DAY} 9 h 45, guichet 2", "09:45"),
        (f"{DAY} 9 h 45 Réserver", "09:45"),
        (f"{DAY} 8h00 14 places", "08:00"),
        (f"{DAY} 8h30 - 14 places", "08:30"),
        (f"{DAY} 8h30, 12 rue du Port, 93200 Saint-Denis", "08:30"),
        (f"{DAY} 8h30 durée 20 min, 15 €, 2e étage, tél. 01 23 45 67 89", "08:30"),
        (f"Guichet 3, {DAY} à 8h30", "08:30"),
        (f"8 h 30, {DAY}", "08:30"),
        ("17 déc. 14 à 15h", "14:00"),
        (f"{DAY} à 9 h 45 précises, 3 créneaux", "09:45"),
        (f"2) {DAY} à 9h45", "09:45"),
        (
            f"<p>{DAY}</p><p>Centre administratif départemental de la Seine-Saint-Denis</p><p>9h45</p>",
            "09:45",
        ),
        (f"<div>{DAY}</div><div>8h</div><div>14 places</div>", "08:00"),
        (f"<table><tr><td>{DAY}<td>16h<td>20 minutes</table>", "16:00"),
        (f"{DAY}<br>8h<br>14 places", "08:00"),
        (f"<span>{DAY}</span> <span>8</span><span>h</span><span>30</span>", "08:30"),
    ],
)
def test_an_hour_is_told_by_its_beginning_and_seen_beside_the_words_for_none(written: str, hour: str) -> None:
    assert tell(written) == hour
    assert is_seen(written)


@in_turn(
    "written",
    [
        f"{DAY} à 8h 20 places libres",
        f"{DAY}, 8 h 20 places",
        f"{DAY} 10h 12 avenue du Port",
        f"{DAY} 10h 12, rue du Port",
        f"{DAY} à neuf heures",
        f"{DAY} at 3:15",
        f"{DAY} 10h 15 créneaux",
        f"{DAY} 10h 45 €",
        f"{DAY} 10h 12 disponible(s)",
        f"{DAY} 8:30 de la tarde",
        f"{DAY} 7:30 مساء",
        f"{DAY} 10h 20 min d'entretien",
        f"{DAY} 10h 01 23 45 67 89",
        f"{DAY} 9h, 11",
        f"{DAY} 9 ou 10h",
        f"{DAY} 10h15 à 20 h 15 places",
        f"{DAY} 9h15 3",
        f"<div>{DAY}</div><div>9h</div><div>30</div>",
        f"{DAY} jusqu'à 12h",
        f"{DAY}, de midi à 14h",
        f"{DAY} après-midi : 2h30",
        f"{DAY} 14 heures trente",
        f"{DAY} de neuf à 12h",
        f"{DAY} 15h moins le quart",
        f"{DAY} half past 2 pm",
        f"{DAY} 14:30 UTC",
        f"Salle 9 - 12h, {DAY}",
    ],
)
def test_a_figure_that_may_belong_to_an_hour_leaves_the_day(written: str) -> None:
    assert tell(written) in ("day", "10:15" if "10h15" in written else "day")
    assert is_seen(written)


@in_turn(
    "written",
    [
        "du 1er au 4 décembre 2026",
        "mercredi 2 ou jeudi 3 décembre 2026",
        "2, 3 et 4 décembre",
        "du lundi au jeudi 3 décembre",
        "7 to 11 December",
        "December 7-11, 2026",
        "Monday 7 \u2013 Friday 11 December 9:30",
        "2/3 décembre",
        "du 2 décembre au 4",
        "mercredi 2 décembre et jeudi 3",
        "du 28/11 au 5/12/2026",
        f"{DAY} 9h ou 10h",
    ],
)
def test_of_two_days_or_two_hours_none_is_taken(written: str) -> None:
    assert tell(written) == Outcome.UNREADABLE


@in_turn(
    "written", ["Guichet 2 - 3 décembre", "9 h 30, 3 décembre", "Thursday, December 3", "merci : 3 décembre"]
)
def test_a_figure_of_something_else_is_no_second_day(written: str) -> None:
    assert tell(written) in ("day", "09:30")


@in_turn(
    "written",
    [
        f"{DAY} (14h30)",
        f"14h30 le {DAY}",
        f"<div>14h30</div><div>{DAY}</div>",
        f"{DAY} après-midi : 14h30",
        f"{DAY}, guichet B, rez-de-chaussée, 9h15",
        f"<table><tr><td>{DAY}<td>Annexe nord<td>9h15</table>",
        f"<dl><dt>Date<dd>{DAY}<dt>Horaires<dd>9h15</dl>",
        f"Mis à jour le {TODAY:%d/%m/%Y} \u2013 14h30 le {DAY}",
        "at 2:30 pm on Thursday, December 17",
    ],
)
def test_an_hour_apart_from_its_day_is_a_moment_beside_the_words_for_none(written: str) -> None:
    assert is_seen(written)


@in_turn(
    "written",
    [
        f"Fermeture exceptionnelle le {DAY} à partir de 12h",
        f"Fermé le {DAY}.</p><p>Accueil de 9h à 12h",
        f"Fermé le {DAY}</p><p>Horaires : 9h-12h",
        f"La mairie change le {DAY}. Elle ouvre du lundi au vendredi de 9h à 17h",
        f"À partir du {DAY}, l'accueil sera ouvert de 9h à 12h.",
        f"À compter du {DAY}, la préfecture vous accueille de 9h à 12h et de 14h à 16h30.",
        f"Le {DAY}, nos services seront ouverts uniquement le matin (9h-12h).",
        f"Le {DAY}, les services seront exceptionnellement fermés à partir de 12h.",
        "La préfecture sera fermée les 24 et 31 décembre 2026 à partir de 15h",
        f"Fermeture exceptionnelle : {DAY} à partir de 12h",
        "Fermeture annuelle du 24 décembre 2026 au 2 janvier 2027. Horaires : de 9h à 12h",
        f"L'accueil fermera à 15h le {DAY}",
        f"Ouvert de 9h à 12h sauf le {DAY}",
        f"Lundi - vendredi<br>9h00 - 12h00<br>{DAY} : fermé",
        f"Accueil sans rendez-vous : 9h-12h</p><p>{DAY} : journée défense",
        f"{DAY} - Réunion publique à 18h30</p><p>15/12/2026 : vœux",
        "Les services seront fermés jeudi 24 décembre à partir de 16h et jeudi 31 décembre à partir de 16h.",
        "Fermeture les 24, 25 et 26 décembre. Ouverture de 9h à 12h",
        f"Dispositif valable jusqu'au {DAY}, informations au 01 23 45 67 89 de 9h à 12h",
        f"Date limite d'inscription : {DAY}</p><p>Horaires : 9h-12h",
    ],
)
def test_opening_hours_and_closed_days_are_no_moments(written: str) -> None:
    assert not is_seen(written)


@in_turn(
    "written",
    [
        f"<a>Fermer</a> {DAY} 9h30",
        f"Guichet fermé, rendez-vous le {DAY} à 9h30",
        f"Accueil ouvert de 9h à 12h. Rendez-vous : 14h30 le {DAY}",
        f"Créneaux ouverts : 14h30 le {DAY}",
        f"{DAY}, mairie annexe, créneau ouvert, 9h30",
        f"{DAY} : fermé de 12h à 14h, libre à 14h30",
        f"Fermé jusqu'au 14 décembre, {DAY} 9h30",
        f"Rendez-vous valable uniquement le {DAY} 9h30",
        "<table><tr><th>jeudi 17 décembre<th>vendredi 18 décembre<tr><td>fermé<td>9h30</table>",
        f"<p>{DAY}</p><p>Horaires de rendez-vous</p><p>9h30</p>",
    ],
)
def test_a_slot_beside_words_of_an_office_is_a_moment(written: str) -> None:
    assert is_seen(written)


def test_parts_to_ignore_lend_no_hour_and_take_none() -> None:
    of = visit(URL, name="selectors", available=".libre", date=".", no_slot_text=NONE, ignore="p.n")
    body = f"<html><body><p>{NONE}</p><p class=n>Réunion le {DAY}</p><p>9h</p></body></html>"
    reading = read_page(body, name="selectors", url=URL, step="0 1 0 0", of=of)
    assert reading.outcome is Outcome.NO_SLOTS


@pytest.mark.rule("3.2")
@in_turn("name", ["selectors", "rdv_service_public"])
@in_turn(
    "body, content_type",
    [
        ("{}", ""),
        ("{}", "text/html"),
        ('{{"message": "<p>{}</p>"}}', "text/html"),
        ("<p>{}</p>", "text/plain"),
        ("<p>{}</p>", "application/json"),
        ("<?xml version='1.0'?><answer>{}</answer>", ""),
    ],
)
def test_a_body_that_is_no_html_proves_nothing(name: str, body: str, content_type: str) -> None:
    said = {
        "selectors": NONE,
        "rdv_service_public": "Malheureusement, aucun créneau correspondant à votre recherche n'a été trouvé.",
    }[name]
    rules: dict[str, Any] = {"available": ".libre", "no_slot_text": NONE} if name == "selectors" else {}
    url = platform(name).EXAMPLE
    of = visit(url, name=name, **rules)
    step = "0 1 0 0" if name == "selectors" else "search"
    reading = read_page(body.format(said), name=name, url=url, step=step, of=of, content_type=content_type)
    assert (reading.outcome, reading.covered) == (Outcome.UNREADABLE, ())


# Moments in fifty ways, and in random ones


@dataclass(frozen=True)
class Written:
    """A moment as a page may write it: its true beginning, and whether a reader can be sure of the hour."""

    text: str
    begins: datetime
    is_sure: bool = False

    @property
    def told(self) -> str:
        return f"{self.begins:%H:%M}"


def _days(at: datetime) -> list[str]:
    month, weekday = MONTHS[at.month - 1], WEEKDAYS[at.weekday()]
    first = "1er" if at.day == 1 else str(at.day)
    return [
        f"{weekday} {first} {month} {at.year}",
        f"{weekday.capitalize()} {first} {month}",
        f"le {first} {month} {at.year}",
        f"{weekday[:3]}. {at.day} {month[:3] + 't' * (month == 'août')}. {at.year}"
        if month[0] not in "mj"
        else f"{at:%d.%m.%Y}",
        f"{at:%d/%m/%Y}",
        f"{at:%d/%m/%y}",
        f"{at:%Y-%m-%d}",
        f"{at:%B} {at.day}, {at.year}",
        f"{at:%A}, {at:%B} {at.day}, {at.year}",
        f"{at.day} {at:%B} {at.year}",
    ]


def _hours(at: datetime) -> list[tuple[str, bool]]:
    """Return an hour in all ways, and whether each is sure."""
    end = at + timedelta(minutes=45)
    hour, minute, half = at.hour, f"{at:%M}", f"{at:%I:%M}".lstrip("0")
    late = f"{end:%I:%M} {'pm' if end.hour >= 12 else 'am'}".lstrip("0")
    ways = [
        (f"{hour}h{minute}", True),
        (f"{hour:02}:{minute}", True),
        (f"{hour} h {minute}", True),
        (f"{hour} h {minute} min", True),
        (f"{hour} heures {minute}", True),
        (f"de {hour}h{minute} à {end.hour}h{end:%M}", True),
        (f"{hour}h{minute}-{end.hour}h{end:%M}", True),
        (f"{hour:02}:{minute} \u2013 {end:%H:%M}", True),
        (f"entre {hour}h{minute} et {end.hour}h{end:%M}", True),
        (f"{half} {'pm' if hour >= 12 else 'am'}", True),
        (f"{half}\u2013{late}", (hour >= 12) == (end.hour >= 12)),
        (f"{hour}h{minute} jusqu'à {end.hour}h{end:%M}", True),
    ]
    if 13 <= hour <= 17:
        ways.append((f"{hour - 12}h{minute} de l'après-midi", True))
    if hour < 12:
        ways.append((f"{hour}h{minute} du matin", True))
    if at.minute == 0 and hour < 20:
        ways += [
            (f"{hour}h", False),
            (f"de {hour} à {hour + 1}h", True),
            (f"{hour}-{hour + 2}h", True),
            (f"{hour} à {hour + 1}h30", True),
            (f"{hour} heures", False),
            (f"entre {hour} et {hour + 1}h", True),
        ]
    return ways


LINKS = (
    *("{day} {hour}", "{day} à {hour}", "{day}, {hour}", "{day} : {hour}", "{day} ({hour})", "{day} - {hour}", "{day} | {hour}"),
    *("{hour} le {day}", "{hour}, {day}", "{hour} \u2013 {day}", "{day}, guichet B, {hour}", "{day} en mairie annexe, {hour}"),
    *("<div>{day}</div><div>{hour}</div>", "<b>{day}</b> <i>{hour}</i>", "{day}<br>{hour}", "<dl><dt>Date<dd>{day}<dt>Heure<dd>{hour}</dl>"),
    *("<table><tr><th>{day}<td>{hour}</table>", "<div>{hour}</div><div>{day}</div>", "Rendez-vous du {day} : {hour}"),
)  # fmt: skip
BESIDE = (
    *("{} 12 places", "{} - 3 places", "{}, 15 places disponibles", "{} salle 3", "{}, guichet 12", "{} 12 €", "{} 10 rue des Lilas"),
    *("{} 93000 Bobigny", "{} durée 30 min", "{} (20 minutes)", "{}<div>12 places</div>", "{}<div>30 minutes</div>", "{}<br>15 personnes"),
    *("{} Réserver", "{} disponible", "Guichet 2, {}", "12 places : {}", "{}, bureau 14, 2e étage", "{}<p>Tél. 01 23 45 67 89</p>", "{}, 15"),
)  # fmt: skip


def _write(chance: random.Random) -> Written:
    minute = chance.choice((0, 0, 15, 30, 45, chance.randrange(60)))
    at = datetime(2026, 11, 22, chance.randrange(7, 20), minute)  # noqa: DTZ001 -- a clock on a wall
    at += timedelta(days=chance.randrange(80))
    hour, is_sure = chance.choice(_hours(at))
    text = chance.choice(LINKS).format(day=chance.choice(_days(at)), hour=hour)
    plain = text.endswith(hour) or text.startswith(hour)
    beside = chance.choice(BESIDE) if chance.random() < 0.6 else "{}"
    return Written(beside.format(text), at, is_sure and beside == "{}" and plain)


def _fifty() -> Iterator[Written]:
    at = datetime(2026, 12, 17, 14, 30)  # noqa: DTZ001
    day, hour = _days(at)[0], "14h30"
    for link in LINKS:
        yield Written(link.format(day=day, hour=hour), at, is_sure=True)
    for each in _days(at):
        yield Written(f"{each} à {hour}", at, is_sure=True)
    for whole in (at, at.replace(minute=0)):
        for said, is_sure in _hours(whole):
            yield Written(f"{day} {said}", whole, is_sure)


def _find_faults(written: Written) -> Iterator[str]:
    told = tell(written.text)
    allowed = (written.told,) if written.is_sure else (written.told, "day", str(Outcome.UNREADABLE))
    if told not in allowed:
        yield f"told as {told}"
    if not is_seen(written.text):
        yield "absence counts as proven beside it"


@pytest.mark.rule("3.2")
@in_turn("written", _fifty)
def test_what_slots_can_be_read_from_is_seen_beside_the_words_for_none(written: Written) -> None:
    assert list(_find_faults(written)) == []


@pytest.mark.rule("3.2")
@pytest.mark.fuzz
def test_no_rendering_of_a_moment_has_a_wrong_hour_or_a_false_absence() -> None:
    chance = random.Random(1 if FUZZ == 1 else None)
    tried = [_write(chance) for _ in range(times(100))]
    faults = {each: list(_find_faults(each)) for each in tried}
    assert not {each: said for each, said in faults.items() if said}
