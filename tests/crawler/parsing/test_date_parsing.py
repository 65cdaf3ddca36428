from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from crawler.parsing.dates import has_unmatched_dates, moment_of, moments_behind, moments_in
from crawler.reading import Place, Slot, VisitContext
from tests.crawler.pages import TODAY, page
from tests.in_turn import in_turn

PARIS, REUNION = ZoneInfo("Europe/Paris"), ZoneInfo("Indian/Reunion")
MONTHS = "janvier février mars avril mai juin juillet août septembre octobre novembre décembre".split()  # noqa: SIM905
DAYS = ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche")
VISIT = VisitContext("", TODAY, PARIS)
MORNING = datetime(2026, 11, 23, 8, 30, tzinfo=UTC)


@in_turn(
    "text",
    [
        "lundi 23 novembre 2026 à 09h30",
        "Lundi 23 Novembre à 9 h 30",
        "lun. 23 nov. 9h30",
        "23/11/2026 09:30",
        "23-11-2026 09:30:00",
        "23.11.2026, 9:30 AM",
        "23/11 9h30 - 10h",
        "2026-11-23T09:30",
        "2026-11-23 09:30:00",
        "2026-11-23T08:30:00Z",
        "23 novembre 2026 de 9 heures 30 à 10 heures",
        "23/11/26 9h30",
        "23.11.26 09:30",
        "23 / 11 / 2026 09:30",
        "2026/11/23 09:30",
        "23 nov. 26 9h30",
        "Nov 23, 2026 9:30 am",
        "November 23rd, 2026 at 09:30",
        "Monday 23rd of November 9:30",
        "23 nov. 26, à 9 h 30",
        "23 November 2026 09:30",
    ],
)
def test_a_moment_is_read_in_the_ways_people_write_it(text: str) -> None:
    assert moment_of(text, None, VISIT) == MORNING


@in_turn("text", ["mercredi 25 novembre", "25/11/2026", "le 25 nov.", "2026-11-25"])
def test_a_date_without_an_hour_stays_a_date(text: str) -> None:
    moment = moment_of(text, None, VISIT)
    assert (type(moment), moment) == (date, date(2026, 11, 25))


@in_turn(
    "text",
    [
        "",
        "bientôt",
        "mardi 23 novembre 2026 à 09h30",  # a Monday
        "31/02/2026",
        "29 février 2027 10h",
        "23 novembre 2026 à 09h3",
        "23 novembre 2026 à 25h",
        "23 novembre 2026 à 13:30 PM",
        "23 et 24 novembre",
        "du 23 novembre au 24 novembre",
        "23 novembre 9h, 14h",
        "9h30",
        "2026-13-01T09:30Z",
        "2026/13/01 09:30",
        "23/13/26 9h30",
        "lundi 23/11/27 9h30",  # a Tuesday
        "01.23.45.67.89",
        "32/11/26",
    ],
)
def test_what_names_no_moment_or_several_is_none(text: str) -> None:
    assert moment_of(text, None, VISIT) is None


@in_turn(
    "text, today, meant",
    [
        ("20 novembre", TODAY, TODAY),
        ("19 novembre", TODAY, date(2026, 11, 19)),
        ("15 septembre", TODAY, date(2026, 9, 15)),
        ("3 janvier", TODAY, date(2027, 1, 3)),
        ("15 avril", TODAY, date(2027, 4, 15)),
        ("31/12", date(2027, 1, 1), date(2026, 12, 31)),
        ("29 février", date(2027, 12, 15), date(2028, 2, 29)),
        ("29/02", TODAY, date(2028, 2, 29)),
        ("29/02", date(2028, 3, 1), date(2028, 2, 29)),
        ("29/02", date(2097, 1, 1), date(2104, 2, 29)),
        ("mardi 29 février", date(2027, 12, 15), date(2028, 2, 29)),
        ("30 février", TODAY, None),
        ("0/12", TODAY, None),
        ("12/00", TODAY, None),
    ],
)
def test_a_date_without_a_year_is_one_of_the_last_months_or_the_next_one(
    text: str, today: date, meant: date | None
) -> None:
    assert moment_of(text, None, VisitContext("", today, PARIS)) == meant


@in_turn(
    "text, horizon, meant",
    [
        ("8 juin", 200, date(2027, 6, 8)),
        ("lundi 7 juin", 200, date(2027, 6, 7)),
        ("8 juin", 365, date(2027, 6, 8)),
        ("20 octobre", 365, date(2027, 10, 20)),
        ("19 novembre", 365, date(2026, 11, 19)),
        ("25 octobre", 365, date(2026, 10, 25)),
        ("vendredi 19 novembre", 365, date(2027, 11, 19)),
        ("jeudi 19 novembre", 365, date(2026, 11, 19)),
        ("vendredi 19 novembre", 90, None),
        ("8 juin", 90, date(2026, 6, 8)),
    ],
)
def test_a_date_without_a_year_is_ahead_where_the_horizon_reaches_it(
    text: str, horizon: int, meant: date | None
) -> None:
    visit = VisitContext("", TODAY, PARIS, horizon=timedelta(days=horizon))
    assert moment_of(text, None, visit) == meant


@in_turn(
    "text", ["1er décembre", "1 er décembre", "premier décembre", "1º décembre", "Dec 1st", "1st December"]
)
def test_the_first_of_a_month_is_read_in_all_its_spellings(text: str) -> None:
    assert moment_of(text, None, VISIT) == date(2026, 12, 1)


def test_an_hour_that_never_comes_is_none_and_one_that_comes_twice_the_first() -> None:
    assert moment_of("28/03/2027 02:30", None, VISIT) is None
    assert moment_of("25/10/2026 02:30", None, VISIT) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_all_moments_of_a_text_are_found_and_opening_hours_are_none() -> None:
    text = "Ouvert de 9h à 12h. Le lundi 23 novembre à 9h30, ou le 24/11/2026. Guichet 12."
    assert list(moments_in(text, VISIT)) == [MORNING, date(2026, 11, 24)]


@in_turn(
    "text, found",
    [
        ("Prochain : le lundi 23 novembre à 9h30", [MORNING]),
        ("Complet. Prochain le 23/11/2026 09:30, puis le 24/11/2026", [MORNING]),
        ("PROCHAIN : 23/11/2026", [date(2026, 11, 23)]),
        ("Prochain le 23/11/2026 Prochain le 24/11", [date(2026, 11, 23), date(2026, 11, 24)]),
        ("Prochain le bientôt, sinon le 23/11/2026", [None]),
        ("Prochain", [None]),
        ("Prochain le 24/1", [None]),  # cut off
        ("Le 23/11/2026", []),
    ],
)
def test_what_some_words_announce_is_the_moment_right_behind_them(
    text: str, found: list[date | None]
) -> None:
    assert moments_behind("Prochain", text, VISIT) == found


@given(
    st.datetimes(datetime(2026, 11, 21), datetime(2027, 11, 19)),  # noqa: DTZ001 -- a clock on a wall
    st.sampled_from(
        [
            "{d:%d/%m/%Y} {d:%H:%M}",
            "{d:%d/%m/%y} {d:%H:%M}",
            "{day} {d.day} {month} {d.year} à {d.hour}h{d:%M}",
            "{d:%Y-%m-%dT%H:%M}",
        ]
    ),
    st.sampled_from([PARIS, REUNION]),
)
def test_what_is_written_is_read(wall: datetime, form: str, zone: ZoneInfo) -> None:
    text = form.format(d=wall, day=DAYS[wall.weekday()], month=MONTHS[wall.month - 1])
    wall = wall.replace(second=0, microsecond=0)
    real = wall.replace(tzinfo=zone).astimezone(UTC)
    exists = real.astimezone(zone).replace(tzinfo=None) == wall
    assert moment_of(text, None, VisitContext("", TODAY, zone)) == (real if exists else None)
    assert list(moments_in(f"Libre : {text}.", VisitContext("", TODAY, zone))) == [real]


@given(st.text(max_size=80), st.none() | st.text(max_size=20))
def test_any_text_is_read_without_a_fault(day: str, hour: str | None) -> None:
    moment_of(day, hour, VISIT)
    assert all(type(each) in (date, datetime) for each in moments_in(day, VISIT))


AT_NINE = Slot(Place(), datetime(2026, 11, 23, 8, tzinfo=UTC))
A_DAY = Slot(Place(), date(2026, 11, 23))


@in_turn("text", ["lundi 23 novembre à 9h", "lundi 23 novembre à 9h, puis encore 23/11/2026 09:00"])
def test_a_page_that_names_its_slots_alone_names_nothing_astray(text: str) -> None:
    assert not has_unmatched_dates(page(f"<p>{text}</p>"), [AT_NINE])


def test_a_moment_that_is_none_of_the_slots_is_astray() -> None:
    assert has_unmatched_dates(page("<p>lundi 23 novembre à 9h</p><p>mardi 24 novembre à 9h</p>"), [AT_NINE])
    assert has_unmatched_dates(page("<p>mardi 24 novembre à 9h</p>"), [])


@in_turn("text", [f"vendredi {TODAY:%d/%m/%Y} à 10h", "jeudi 12/11/2026 à 10h"])
def test_what_is_not_ahead_is_no_slot_that_was_missed(text: str) -> None:
    assert not has_unmatched_dates(page(f"<p>{text}</p>"), [AT_NINE])


def test_a_day_counts_where_the_slots_are_days() -> None:
    body = "<p>lundi 23 novembre</p><p>mardi 24 novembre</p>"
    assert has_unmatched_dates(page(body), [A_DAY])
    assert not has_unmatched_dates(page(body), [AT_NINE])
