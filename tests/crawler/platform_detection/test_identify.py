from crawler.platform_detection.identify import (
    by_address,
    by_marks,
    identify_page,
    page_of,
)
from crawler.platforms import platforms
from crawler.reading import Page
from tests.crawler import ezbooking_pages as ez
from tests.in_turn import in_turn

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
