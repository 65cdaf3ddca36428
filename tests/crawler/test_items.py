from datetime import UTC, date, datetime

from crawler.items import slot_items
from crawler.reading import Place, Slot
from tests.crawler.checks import check
from tests.crawler.held import make_desk
from tests.in_turn import in_turn

GUICHET = Place("23018", "Guichet A")


@in_turn(
    "moment, shown",
    [
        (datetime(2026, 12, 3, 8, 30, tzinfo=UTC), "2026-12-03T09:30:00+01:00"),
        (datetime(2027, 7, 1, 8, 30, tzinfo=UTC), "2027-07-01T10:30:00+02:00"),
        (date(2026, 12, 3), "2026-12-03"),
        (None, None),
    ],
)
def test_a_moment_is_shown_by_the_desks_own_clock(moment: datetime | date | None, shown: str | None) -> None:
    (row,) = slot_items(make_desk(), check("a", None, Slot(GUICHET, moment)))
    assert row.starts_at == shown


def test_a_row_says_what_is_booked_where_and_when_it_was_seen() -> None:
    later, sooner = (datetime(2026, 12, day, 8, tzinfo=UTC) for day in (4, 3))
    seen = (Slot(GUICHET, later), Slot(Place("9"), sooner, "https://x.fr/9", 2))
    item = check("a", None, *seen, seen_at=datetime(2026, 11, 20, 9, 0, 3, tzinfo=UTC))
    first, second = slot_items(make_desk(procedures=["VISA", "AUTRE"]), item)
    assert (first.place, first.booking_url, first.seats) == ("9", "https://x.fr/9", 2)
    assert (second.place, second.booking_url) == ("Guichet A", item.booking_url)
    assert first.procedures == ("AUTRE", "VISA")
    assert first.seen_at == "2026-11-20T09:00:03+00:00"
