from pathlib import Path
from typing import Any

from configs.world.desk import Procedure
from configs.world.prefecture import load_prefectures
from crawler.discovery.draft import DeskDraft, slug
from crawler.discovery.identify import (
    PlatformMatch,
    by_address,
    by_marks,
    identify_page,
    page_of,
)
from crawler.platforms import platforms
from crawler.reading import Page
from tests.crawler import ezbooking_pages as ez
from tests.in_turn import in_turn
from tests.sample_desk_files import prefecture_file

NOWHERE = "https://www.quelque-part.invalid/page"
PUBLIC = [
    name
    for name, reader in platforms().items()
    if ".invalid/" not in reader.EXAMPLE and ".example/" not in reader.EXAMPLE
]


def page(body: str, url: str = NOWHERE) -> Page:
    return page_of(url, body.encode())


@in_turn("name", PUBLIC)
def test_a_platform_is_known_by_its_own_address_alone(name: str) -> None:
    sign = by_address(platforms()[name].EXAMPLE)
    assert sign
    assert (sign.platform, sign.url) == (name, platforms()[name].EXAMPLE)


@in_turn(
    "address, platform, desk",
    [
        ("https://www.x.gouv.fr/booking/create/11343/2#aide", "ezbooking", "https://www.x.gouv.fr/booking/create/11343"),
        ("https://www.x.gouv.fr/index.php/booking/create/9845", "ezbooking", "https://www.x.gouv.fr/index.php/booking/create/9845"),
        ("https://rdv.x.fr/rdvpref/reservation/demarche/16040/cgu/?error=1", "rdvpref", "https://rdv.x.fr/rdvpref/reservation/demarche/16040/"),
        ("https://partners.doctolib.fr/prefecture/lille/guichet", "doctolib", "https://partners.doctolib.fr/prefecture/lille/guichet"),
    ],
)  # fmt: skip
def test_an_address_names_the_desk_without_the_step_it_stands_at(
    address: str, platform: str, desk: str
) -> None:
    sign = by_address(address)
    assert sign
    assert (sign.platform, sign.url) == (platform, desk)


@in_turn(
    "address",
    [
        "https://www.notdoctolib.fr/prefecture/lille/guichet",
        "https://www.doctolib.fr.evil.example/prefecture/lille/guichet",
        "https://evil.example/?next=https://www.x.gouv.fr/booking/create/1",
        "https://www.x.gouv.fr/booking/create/11343-plus",
        "https://rendezvouspasseport.ants.gouv.fr:8443/",
        "ftp://www.x.gouv.fr/booking/create/1",
        "http://[",
        "",
    ],
)
def test_no_other_address_is_taken_for_a_platforms(address: str) -> None:
    assert by_address(address) is None


@in_turn(
    "trace",
    [
        "<!-- saved from url=(0048)https://www.x.gouv.fr/booking/create/11343/2 -->",
        '<link rel="canonical" href="https://www.x.gouv.fr/booking/create/11343">',
        '<meta property="og:url" content="https://www.x.gouv.fr/booking/create/11343">',
        '<form action="https://www.x.gouv.fr/booking/create/11343/0"></form>',
    ],
)
def test_a_page_that_gives_itself_an_address_is_known_by_it(trace: str) -> None:
    sign = identify_page(page(trace))
    assert sign
    assert (sign.platform, sign.url) == ("ezbooking", "https://www.x.gouv.fr/booking/create/11343")


def test_a_page_is_known_by_its_marks_without_any_address() -> None:
    sign = by_marks(page(ez.full()))
    assert sign
    assert (sign.platform, sign.url) == ("ezbooking", None)
    assert "FormBookingCreate" in sign.evidence


URL = "https://www.essonne.gouv.fr/booking/create/23014"


def draft(label: str = "Naturalisation", platform: str = "ezbooking", **how: Any) -> DeskDraft:
    sign = PlatformMatch(platform, "its address", URL, how.get("parameters", {}))
    return DeskDraft(sign, URL, label, "a page")


@in_turn(
    "label, taken, name",
    [
        ("Titre de séjour « ALGR », 1re demande", (), "titre-de-sejour-algr-1re-demande"),
        ("Naturalisation", ("naturalisation",), "naturalisation-2"),
        ("Naturalisation", ("naturalisation", "naturalisation-2"), "naturalisation-3"),
        ("???", (), "guichet"),
        ("mot " * 60, (), "-".join(["mot"] * 15)),
        ("x" * 200, (), "x" * 60),
    ],
)
def test_a_slug_is_made_of_the_labels_words_and_is_nobody_elses(
    label: str, taken: tuple[str, ...], name: str
) -> None:
    assert slug(label, taken) == name


@in_turn(
    "label, platform, how, said",
    [
        ("Naturalisation", "ezbooking", {}, ["slug: naturalisation", "# choose its procedures", "grade: unconfirmed"]),
        ("Titre de séjour : première demande", "rdvpref", {}, ["watch: people"]),
        ("012: #{[yes", "ezbooking", {}, ["procedures: [AUTRE]"]),
        ("", "ezbooking", {}, ["Page de rendez-vous n° 23014"]),
        ("Passeport", "ants", {"parameters": {"department_code": "01"}}, ["parameters: {department_code: '01'}"]),
        ("é" * 5000, "ezbooking", {}, ["source: found by scrapy detect from a page"]),
    ],
)  # fmt: skip
def test_a_block_is_read_as_it_stands(
    tmp_path: Path, label: str, platform: str, how: dict[str, Any], said: list[str]
) -> None:
    block = draft(label, platform, **how).block()
    (tmp_path / "evry_91.yaml").write_text(prefecture_file(tier=1, hosts=[], desks=[block], capital="Évry"))
    (desk,) = load_prefectures(tmp_path)["evry_91"].desks
    assert (desk.url, desk.platform, desk.procedures) == (URL, platform, frozenset({Procedure.AUTRE}))
    assert [each for each in said if each not in block] == []
