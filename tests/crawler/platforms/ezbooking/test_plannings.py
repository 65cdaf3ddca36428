from dataclasses import replace

import pytest

from configs.world.outcome import Outcome
from crawler.platforms.ezbooking.plannings import choose
from crawler.reading import PageRequest, Place, Reading
from tests.crawler.pages import page, visit

PICK = PageRequest("https://x.example/pick", "pick", "POST", {"go": "1"})
OFFER = (
    '<input type="radio" name="desk" id="desk7" value="7"><label for="desk7">North</label>'
    '<input class="big radio" name="desk" id="desk8"><label for="desk8">South</label>'
)


def choice(body: str, *, turn: int = 0, step: str = "", wanted: tuple[str, ...] = ()) -> Reading | None:
    return choose(page(body, of=replace(visit(), turn=turn), step=step), "desk", PICK, "the choice", wanted)


def test_each_place_is_chosen_under_its_label_beginning_with_another_one_each_visit() -> None:
    reading, other = choice(OFFER), choice(OFFER, turn=3)
    assert reading
    assert other
    assert [ask.form for ask in reading.asks] == [{"desk": "7", "go": "1"}, {"desk": "8", "go": "1"}]
    assert [ask.place for ask in reading.asks] == [Place("7", "North"), Place("8", "South")]
    assert [(ask.url, ask.method, ask.step, ask.rank, ask.turn) for ask in other.asks] == [
        ("https://x.example/pick", "POST", "pick", 0, 1),
        ("https://x.example/pick", "POST", "pick", 1, 1),
    ]
    assert [ask.place.key for ask in other.asks] == ["8", "7"]
    assert reading.reason == "the choice: 2 of 2 desks"


def test_a_desk_that_is_some_of_them_asks_for_those() -> None:
    reading = choice(OFFER, wanted=("8", "9"))
    assert reading
    assert [ask.place.key for ask in reading.asks] == ["8"]


@pytest.mark.parametrize(
    ("body", "step", "wanted", "said"),
    [
        (OFFER, "pick", (), "a desk was chosen and the choice came back"),
        (OFFER, "", ("9",), "offers desks 7, 8: none is this desk's"),
        (
            "".join(OFFER.replace("8", str(each)) for each in range(10, 120)),
            "",
            (),
            "offers 111 desks, which no form does",
        ),
    ],
)
def test_a_choice_that_leads_nowhere_is_unreadable_and_says_why(
    body: str, step: str, wanted: tuple[str, ...], said: str
) -> None:
    assert choice(body, step=step, wanted=wanted) == Reading(Outcome.UNREADABLE, said)


@pytest.mark.parametrize(
    "body", ["", '<input type="hidden" name="desk" value="7">', '<input type="radio" name="other" value="7">']
)
def test_what_offers_no_place_is_no_choice(body: str) -> None:
    assert choice(body) is None
