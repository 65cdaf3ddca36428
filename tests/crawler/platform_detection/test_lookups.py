"""The lookups of the platforms, with answers of the sandbox and recorded ones."""

import json
from pathlib import Path
from typing import Any

import pytest

from configs.prefecture import prefectures
from configs.prefecture_coordinates import POSITIONS
from crawler.platform_detection import lookups
from crawler.platform_detection.identify import page_of
from crawler.platform_detection.lookup_base import IdChoice, KnownIds
from crawler.platform_detection.lookups import by_hand, in_address, is_own, read_choices, steps_of
from crawler.platforms import platform, platforms
from crawler.reading import Page
from tests.crawler.recordings import RECORDINGS

NAMES = sorted(path.stem for path in Path(lookups.__file__).parent.glob("*.py") if path.stem != "__init__")
NEEDY = [
    name
    for name, reader in platforms().items()
    if any(field.is_required() for field in reader.Parameters.model_fields.values())
]
MAIIA = "https://www.maiia.com/prefecture/69100-villeurbanne/guichet"
SYNBIRD = "https://app.synbird.com/79000-mairie"
CITOPIA = "https://rendezvousonline.fr/alias/poitiers-86000-2"


def page(body: Any, url: str = "https://www.keldoc.com/a/b/c") -> Page:
    return page_of(url, body.encode() if isinstance(body, str) else json.dumps(body).encode())


def asked(name: str, number: int, url: str, department: str | None = None, **told: Any) -> Any:
    return steps_of(name)[number].ask(KnownIds(url, told, department))


def test_each_belongs_to_a_platform_and_tells_its_parameters() -> None:
    assert set(NAMES) <= set(platforms())
    for name in NAMES:
        assert {step.tells for step in steps_of(name)} <= set(platform(name).Parameters.model_fields)


@pytest.mark.parametrize("name", [each for each in NEEDY if each not in ("widget", "selectors")])
def test_a_platform_that_needs_parameters_says_where_a_person_finds_them(name: str) -> None:
    assert "docs/platforms" not in by_hand(name)
    assert len(by_hand(name)) > len("look there")


def test_a_platform_without_a_look_up_names_its_page() -> None:
    assert steps_of("rdvpref") == ()
    assert by_hand("rdvpref") == "docs/platforms/rdvpref.md says what they are"
    assert in_address("rdvpref", "https://x.fr/") == {}


def test_every_prefectures_town_is_somewhere_in_its_zone() -> None:
    assert set(POSITIONS) == {each.department for each in prefectures().values()}
    mainland = [code for code, (latitude, _) in POSITIONS.items() if 41 < latitude < 51.2]
    assert len(mainland) == sum(each.time_zone == "Europe/Paris" for each in prefectures().values())


# Doctolib


def booking(*agendas: dict[str, list[int]]) -> dict[str, Any]:
    motives = [{"id": 1, "name": "Remise"}, {"id": 2, "name": "Demande"}]
    places = [{"practice_ids": [7], "full_address": "1 rue X, Lille"}, {"practice_ids": [8]}]
    offers = [{"visit_motive_ids_by_practice_id": each} for each in agendas]
    return {"data": {"visit_motives": motives, "agendas": offers, "places": places}}


def test_doctolib_offers_the_motives_that_an_agenda_serves_and_says_where() -> None:
    (only,) = read_choices("doctolib", page(booking({"7": [2]}, {"8": [2]})))
    assert (only.label, only.parameters) == ("Demande", {"motives": [2]})
    assert only.remark.endswith("add practices: [...]: 7 is 1 rue X, Lille, 8 is unnamed")
    (here,) = read_choices("doctolib", page(booking({"7": [2]})))
    assert here.remark == ""
    assert [each.label for each in read_choices("doctolib", page(booking()))] == ["Remise", "Demande"]


# Keldoc


def test_keldoc_is_asked_for_clinic_cabinet_and_motive_at_its_booking_host() -> None:
    url = "https://www.keldoc.com/prefecture/paris-75004/guichet?x=1"
    api = "https://booking.keldoc.com/api/patients/v2"
    assert (
        asked("keldoc", 0, url).url
        == f"{api}/searches/resource?type=prefecture&location=paris-75004&slug=guichet"
    )
    assert asked("keldoc", 0, "https://www.keldoc.com/") is None
    known: dict[str, Any] = {"clinic": 1, "specialty": 2, "cabinet": 3}
    assert asked("keldoc", 1, url, **known).url == f"{api}/clinics/1/specialties/2/cabinets"
    assert (
        asked("keldoc", 2, url, **known).url == f"{api}/clinics/1/specialties/2/cabinets/3/motive_categories"
    )


def test_keldoc_offers_no_motive_that_no_agenda_serves() -> None:
    motives = [{"id": 4, "name": "Remise", "agendas": [{"id": 9}]}, {"id": 5, "name": "Rien", "agendas": []}]
    said = page([{"motive_category_id": 1, "motives": motives}])
    assert read_choices("keldoc", said) == [IdChoice("Remise", {"motive": 4})]


# Maiia


@pytest.mark.parametrize("query", ["?centerId=6144c2e1", "?speciality=x&centerid=6144c2e1"])
def test_maiias_center_is_read_from_an_address(query: str) -> None:
    assert in_address("maiia", MAIIA + query) == {"center": "6144c2e1"}
    assert in_address("maiia", MAIIA) == {}


def test_maiias_center_is_read_from_its_page_and_from_nothing_else() -> None:
    state = {"props": {"initialState": {"cards": {"item": {"center": {"id": "6144c2e1"}}}}}}
    script = '<html><script type="application/json">{}</script>'
    newer = {"props": {"pageProps": {"cards": {"items": [{"center": {"id": "6144c2e1"}}, {}]}}}}
    for made_of in (state, newer):
        found = read_choices("maiia", page(script.format(json.dumps(made_of))))
        assert found == [IdChoice("", {"center": "6144c2e1"})]
    for other in ("{", "[]", "null", '{"props": 1}', '{"props": {"initialState": []}}', "[" * 100_000):
        assert read_choices("maiia", page(script.format(other))) == []
    assert read_choices("maiia", page('"x"')) == []


def test_what_maiia_lists_twice_is_offered_once() -> None:
    items = [{"name": name, "consultationType": "PHYSICAL"} for name in ("Remise", "Remise", "Demande", "")]
    found = read_choices("maiia", page({"items": items, "total": 4}))
    assert [each.parameters for each in found] == [{"reason": "Remise"}, {"reason": "Demande"}]


# Citopia


@pytest.mark.parametrize(
    ("url", "department", "place"),
    [
        (CITOPIA, None, "/86/46.5"),
        (CITOPIA, "35", "/35/48.1"),
        ("https://rendezvousonline.fr/alias/ajaccio-20000", None, "/2A/41.9"),
        ("https://rendezvousonline.fr/alias/bastia-20600", None, "/2B/42.7"),
        ("https://rendezvousonline.fr/alias/le-port-97420", None, "/974/-20.8"),
    ],
)
def test_citopias_town_halls_are_searched_around_their_prefecture(
    url: str, department: str | None, place: str
) -> None:
    ask = asked("citopia", 0, url, department)
    assert ask.url.startswith(
        "https://pro.rendezvousonline.fr/api-web/search-structures/Carte%20Nationale%20d%27Identit"
    )
    assert place in ask.url
    assert ask.url.endswith("?reasons_number=%7B%7D&sort=distance&radius=150&page=1&per_page=100")


@pytest.mark.parametrize("name", ["mairie", "mairie-995103", "mairie-99999", ""])
def test_without_a_place_citopia_is_not_asked(name: str) -> None:
    assert asked("citopia", 0, f"https://rendezvousonline.fr/alias/{name}") is None


def test_citopias_town_hall_is_the_one_of_that_name() -> None:
    halls = [{"id": 3, "alias": "poitiers-86000"}, {"name": "?"}, {"id": 4, "alias": "poitiers-86000-2"}]
    assert read_choices("citopia", page({"results": halls}, CITOPIA)) == [IdChoice("", {"structure": 4})]
    assert read_choices("citopia", page({"results": halls[:2]}, CITOPIA)) == []
    assert asked("citopia", 1, CITOPIA, structure=4).url.endswith("/api-web/structures/4/services")
    services = [
        {"reasons": [{"id": 1, "name": "Dépôt"}, {"id": None}]},
        {"reasons": [{"id": 2, "name": "Retrait"}]},
    ]
    assert [each.parameters for each in read_choices("citopia", page(services))] == [
        {"reason": 1},
        {"reason": 2},
    ]


# Synbird


def prestation(*questions: dict[str, Any]) -> IdChoice:
    offer = {"id": 5, "name": "Passeport", "additional_informations_start": list(questions)}
    (only,) = read_choices("synbird", page({"companies": [{"activities": [{"prestations": [offer]}]}]}))
    return only


PEOPLE = {
    "type": "nbpers",
    "items": [{"id": 1, "label": "1 personne"}, {"id": 2, "label": "2 personnes", "duration": 5}],
}


def test_synbirds_company_is_asked_for_by_its_name_and_must_bear_it() -> None:
    ask = asked("synbird", 0, f"{SYNBIRD}/x?y=1")
    assert (ask.url, ask.method) == ("https://ws.synbird.com/v6/pro/company/get", "POST")
    assert ask.json == {"id_professional_company": None, "slug": "79000-mairie"}
    company = {"id": 9, "slug": "79000-mairie", "places": [{"id": 1, "name": "Mairie"}, {"id": 2}]}
    (found,) = read_choices("synbird", page({"professional": company}, SYNBIRD))
    assert found.parameters == {"company": 9, "places": [1, 2]}
    assert found.remark == "for some of its places only, shorten places: 1 is 'Mairie', 2 is ''"
    assert read_choices("synbird", page({"professional": company | {"slug": "autre"}}, SYNBIRD)) == []


def test_synbirds_questions_are_answered_by_their_first_items_and_the_others_are_said() -> None:
    found = prestation(PEOPLE)
    first = {"id": 1, "type": "nbpers", "duration": 0, "breadcrumb": "1 personne"}
    assert found.parameters == {"prestation": 5, "answers": [first]}
    assert '{"id": 2, "type": "nbpers", "duration": 5, "breadcrumb": "2 personnes"}' in found.remark
    assert prestation().parameters == {"prestation": 5}


@pytest.mark.parametrize(
    "question",
    [{"type": "text", "name": "Pré-demande", "items": []}, {"type": "radio", "name": "Pré-demande"}],
)
def test_a_question_of_synbirds_that_takes_words_is_left_to_a_person(question: dict[str, Any]) -> None:
    found = prestation(PEOPLE, question)
    assert (found.parameters, found.lacks) == ({"prestation": 5}, "answers: its page also asks: Pré-demande")


def test_what_synbirds_page_posted_says_all() -> None:
    body = {
        "id_professional_company": 9,
        "id_professional_prestation": 5,
        "id_professional_place": [1],
        "additional_informations_start": [{"id": 1}],
        "number_slots": 2,
    }
    (found,) = read_choices("synbird", page(body))
    platform("synbird").Parameters.model_validate(dict(found.parameters))
    assert found.parameters["people"] == 2


# Orion


def test_what_orions_page_posted_says_all() -> None:
    body = {"configId": "62ff", "purposes": [{"id": "7", "name": "Remise"}], "duration": 20, "accountId": "X"}
    (found,) = read_choices("orion", page(body))
    platform("orion").Parameters.model_validate(dict(found.parameters))
    assert found.label == "Remise"
    assert asked("orion", 0, "https://esii-orion.com/orion-reservation/slots?account=X") is None
    assert read_choices("orion", page(body | {"purposes": []})) == []


# Saved answers


@pytest.mark.recordings
@pytest.mark.parametrize(
    ("file", "name", "labels", "told"),
    [
        ("keldoc/resource_ain.json", "keldoc", 1, {"clinic": 2737, "specialty": 144}),
        ("keldoc/motive_categories_ain.json", "keldoc", 6, {"motive": 84921}),
        (
            "maiia/consultation_reasons.json",
            "maiia",
            10,
            {"reason": 'Dispositif CNAM - "Allez-vers" +de 75 ans'},
        ),
        ("doctolib/booking_one_doctor.json", "doctolib", 7, None),
    ],
)
def test_a_recorded_answer_is_its_platforms_own_and_read(
    file: str, name: str, labels: int, told: dict[str, Any] | None
) -> None:
    path = RECORDINGS / "doctolib-style" / file
    if not path.exists():
        pytest.skip(f"no recorded answers at {RECORDINGS}: set RECORDINGS to their folder")
    answer = page_of("https://x.fr/", path.read_bytes())
    assert [each for each in platforms() if is_own(each, answer)] == [name]
    found = read_choices(name, answer)
    assert len(found) == labels
    assert told is None or found[0].parameters == told


@pytest.mark.parametrize("body", ["", "{}", "[]", "null", "3", "[1]", '{"data": {}}', "<html>", "[" * 50_000])
def test_what_tells_nothing_is_nobodys(body: str) -> None:
    assert [name for name in platforms() if read_choices(name, page(body)) or is_own(name, page(body))] == []
