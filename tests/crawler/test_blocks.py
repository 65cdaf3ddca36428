"""A desk that somebody found, as the YAML block that a person reviews."""

from datetime import date
from pathlib import Path

import pytest

from configs.made_up import prefecture_file
from configs.prefecture import Grade, load_prefectures
from crawler.blocks import Draft, block, procedures

DAY = date(2026, 11, 20)


def draft(label: str = "Titre de séjour : renouvellement", **more: object) -> Draft:
    given = {
        "url": "https://www.essonne.gouv.fr/booking/create/1",
        "platform": "ezbooking",
        "source": "linked: 'x'",
    }
    return Draft(**given | more, label=label, day=DAY)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "label", ["Titre de séjour : renouvellement", "# - {x: 'y'}\n…", "", "é" * 200, "non", "2026"]
)
def test_a_block_is_a_desk_where_it_is_pasted(tmp_path: Path, label: str) -> None:
    whole = prefecture_file(tier=1, hosts=[], desks=[block(draft(label, parameters={"plannings": ["1"]}))])
    (tmp_path / "evry-courcouronnes_91.yaml").write_text(whole)
    (desk,) = load_prefectures(tmp_path)["evry-courcouronnes_91"].desks
    assert (desk.grade, desk.date, desk.source) == (Grade.UNCONFIRMED, DAY, "linked: 'x'")
    assert desk.parameters == {"plannings": ["1"]}


def test_slugs_differ() -> None:
    assert draft().slug() == "titre-de-sejour-renouvellement"
    assert draft().slug({"titre-de-sejour-renouvellement"}) == "titre-de-sejour-renouvellement-2"
    assert draft("???").slug({"guichet", "guichet-2"}) == "guichet-3"


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("Naturalisation par décret", ["NATURALISATION"]),
        ("Carte d'identité et passeport", ["CARTE_IDENTITE", "PASSEPORT"]),
        ("Étrangers : remise de titre", ["TITRE_SEJOUR"]),
        ("Commission médicale", ["PERMIS_CONDUIRE"]),
        ("Cartes grises", ["CARTE_GRISE"]),
        ("Armes", ["AUTRE"]),
    ],
)
def test_a_label_tells_its_procedures(label: str, expected: list[str]) -> None:
    assert procedures(label) == expected
