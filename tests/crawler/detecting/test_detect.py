"""`scrapy detect` as a person runs it: against the stand-ins, and on saved pages."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from configs.desk import Desk
from configs.made_up import desk_entry, prefecture_file
from configs.outcome import Outcome
from configs.prefecture import desks, load_prefectures
from crawler.catalogue import check_catalogue
from crawler.platforms import platforms
from deploy.sandbox.platforms import platforms as stand_in_platforms
from tests.crawler import ezbooking_pages as ez
from tests.crawler.checks import NOW
from tests.crawler.commanded import Run, scrapy
from tests.crawler.held import Held
from tests.crawler.recordings import RECORDINGS
from tests.crawler.wire import answer, wire

if TYPE_CHECKING:
    from deploy.sandbox.running import Running

NAMES = sorted(stand_in_platforms())
NOBODYS = "selectors"  # its stand-in is a page that no known software serves
InService = Callable[[str], Desk]
SOFTWARE = [name for name in NAMES if name in platforms() and name != NOBODYS]


@pytest.fixture
def detect(capsys: pytest.CaptureFixture[str]) -> Run:
    return partial(scrapy, capsys, "detect")


@pytest.fixture
def in_service(tmp_path: Path, settings_env: Callable[..., None]) -> InService:
    """Copy what was printed into a desk file, as a person would; return the desk that the programs load."""

    def copy(out: str) -> Desk:
        (tmp_path / "evry_91.yaml").write_text(prefecture_file(tier=1, hosts=[], desks=[out], capital="Évry"))
        settings_env(PREFECTURES_DIR=tmp_path, HTTP_DEADLINE_SECONDS=20)
        check_catalogue()
        (desk,) = load_prefectures(tmp_path)["evry_91"].desks
        return desk

    return copy


def page_of(sandbox: "Running", name: str) -> str:
    site = stand_in_platforms()[name].sites[0]
    return sandbox.site(site.code) + stand_in_platforms()[name].page(site.forms[0])


def entries(out: str) -> list[dict[str, Any]]:
    found = yaml.safe_load(out)
    return found if isinstance(found, list) else []


ASKED_FOR = {"orion", "ants"}  # whose ids no request tells: docs/adding-a-prefecture.md says so of them
CONCLUSIVE = {Outcome.SLOTS, Outcome.NO_SLOTS}


@pytest.mark.parametrize("name", SOFTWARE)
def test_the_platform_of_a_stand_in_is_named_with_an_entry_that_is_ready(
    sandbox: "Running", detect: Run, held: Held, in_service: InService, name: str
) -> None:
    url = page_of(sandbox, name)
    code, out, err = detect(url)
    assert code == 0, out + err
    (entry,) = entries(out)
    assert entry["platform"] == name
    assert entry["url"].startswith(url.rpartition("?")[0] or url)
    desk = in_service(out)
    assert sum(sandbox.reservations(site.code) for site in stand_in_platforms()[name].sites) == 0
    assert (desk.watch == "none") == (name in ASKED_FOR)
    if name in ASKED_FOR:
        assert f"docs/platforms/{name}.md" in (desk.because or "")
        assert "# where to find it: " in out
        return
    item = held.check(desk)
    wanted = {Outcome.CAPTCHA} if desk.watch == "presence" else CONCLUSIVE
    assert item.outcome in wanted, item
    assert f"# {item.outcome.upper()}: " in out


def test_what_orions_page_posts_completes_its_desk(
    sandbox: "Running", detect: Run, tmp_path: Path, held: Held, in_service: InService
) -> None:
    posted = {"configId": "config-995101", "purposes": [{"id": "purpose-995101"}], "duration": 20}
    (tmp_path / "body.json").write_text(json.dumps(posted))
    code, out, _ = detect(page_of(sandbox, "orion"), "--file", tmp_path / "body.json")
    assert code == 0
    assert "# not asked: nothing is, with --file" in out
    desk = in_service(out)
    assert (desk.watch, held.check(desk).outcome) == ("full", Outcome.NO_SLOTS)


def test_a_page_of_no_known_software_is_unknown_and_says_what_was_seen_and_what_to_do(
    sandbox: "Running", detect: Run
) -> None:
    code, out, _ = detect(page_of(sandbox, NOBODYS))
    assert code == 1
    assert out.startswith("# platform unknown\n# seen: http://127.77.3.1:")
    assert "2 forms with 2 fields" in out
    assert "#   could be a step: select[name=motif], with 'Titre de séjour', 'Carte grise'" in out
    assert "docs/platforms/selectors.md" in out
    assert entries(out) == []


def test_a_page_that_is_a_desk_already_is_checked_by_the_desks_own_rules(
    sandbox: "Running", detect: Run, tmp_path: Path, settings_env: Callable[..., None]
) -> None:
    url = page_of(sandbox, NOBODYS)
    desk = desk_entry("titre", url, NOW.date()).replace("ezbooking", NOBODYS)
    rules = """    parameters:
      available: "li.libre > a"
      date: "."
      no_slot_text: "Aucun rendez-vous n'est disponible."
      banner: "form#cookies"
      steps: [{at: "select[name=motif]", option: "Carte grise"}]
"""
    (tmp_path / "evry_91.yaml").write_text(
        prefecture_file(tier=1, hosts=[], desks=[desk + rules], capital="Évry")
    )
    settings_env(PREFECTURES_DIR=tmp_path)
    code, out, err = detect(url)
    assert code == 0, err
    assert f"# {NOBODYS}: {url}\n# because it is the desk evry_91/titre\n# NO_SLOTS: " in out


def test_slots_that_are_open_now_are_told(sandbox: "Running", detect: Run) -> None:
    (opened,) = sandbox.open_slots("doctolib", 994001)
    out = detect(page_of(sandbox, "doctolib"))[1]
    assert "# SLOTS: " in out
    assert f"{opened:%Y-%m-%d %H:%M}" in out or f"{opened:%d}" in out
    assert entries(out)[0]["parameters"] == {"motives": [994001]}


def test_a_page_that_leads_to_desks_is_followed_to_them_and_their_links_name_them(
    sandbox: "Running", detect: Run
) -> None:
    code, out, err = detect(sandbox.site("93"))
    assert code == 0
    assert [(each["label"], each["procedures"]) for each in entries(out)][:1] == [
        ("Titre de séjour « vie privée et familiale »", ["TITRE_SEJOUR"])
    ]
    assert len({each["slug"] for each in entries(out)}) == len(entries(out)) > 1
    assert "looking at" in err
    assert sandbox.reservations("93") == 0


def test_a_prefectures_own_page_is_no_desk_and_leads_to_those_of_several_platforms(
    sandbox: "Running", detect: Run
) -> None:
    code, out, _ = detect(page_of(sandbox, "own_site"))
    assert code == 0
    assert {"ezbooking", "rdvpref"} <= {each["platform"] for each in entries(out)} <= set(SOFTWARE)
    assert all(each["url"].startswith("http://127.77.") for each in entries(out))


def test_the_department_that_is_said_completes_the_search_of_all_town_halls(
    sandbox: "Running", detect: Run
) -> None:
    out = detect(page_of(sandbox, "ants"), "--prefecture", "evry-courcouronnes_91")[1]
    assert entries(out)[0]["parameters"] == {"department_code": "91"}
    assert "not asked: its site asks for a token that we do not have (ANTS_TOKEN)" in out


@pytest.mark.parametrize(
    ("mode", "said"),
    [("block", "BLOCKED: "), ("cloudflare", "BLOCKED: Cloudflare"), ("captcha", "CAPTCHA: "), ("maintenance", "MAINTENANCE: "), ("overload", "OVERLOADED: ")],
)  # fmt: skip
def test_a_site_that_does_not_let_us_in_is_named_by_its_address_and_says_how_it_answers(
    sandbox: "Running", detect: Run, mode: str, said: str
) -> None:
    sandbox.mode("75", mode)
    code, out, _ = detect(page_of(sandbox, "ezbooking"))
    assert code == 0
    assert out.startswith("# ezbooking: ")
    assert f"# {said}" in out


@pytest.mark.parametrize(
    ("mode", "said"), [("cloudflare", "BLOCKED: Cloudflare"), ("maintenance", "MAINTENANCE: ")]
)
def test_a_wall_before_an_unknown_page_is_said_and_the_platform_is_unknown(
    sandbox: "Running", detect: Run, mode: str, said: str
) -> None:
    sandbox.mode(NOBODYS, mode)
    code, out, _ = detect(page_of(sandbox, NOBODYS))
    assert (code, out.partition("\n")[0]) == (1, "# platform unknown")
    assert said in out
    assert ("no way around it is taken" in out) == (mode == "cloudflare")


@pytest.mark.parametrize(
    ("mode", "said"),
    [("big", "UNREADABLE: the page is too large"), ("redirect_loop", "UNREADABLE: redirected"), ("truncated_gzip", "UNREACHABLE: ")],
)  # fmt: skip
def test_a_page_that_does_not_come_is_named_by_its_address_or_unknown_and_asked_once(
    sandbox: "Running", detect: Run, mode: str, said: str
) -> None:
    for name in ("rdvpref", NOBODYS):
        sandbox.mode(name, mode)
    code, out, _ = detect(page_of(sandbox, "rdvpref"))
    assert (code, out.startswith("# rdvpref: "), f"# {said}" in out) == (0, True, True)
    asked = len(sandbox.requests("rdvpref"))
    assert asked <= 6  # second tries and redirects of one opening
    code, out, _ = detect(page_of(sandbox, NOBODYS))
    assert (code, out.startswith("# platform unknown\n"), said in out) == (1, True, True)
    assert "is it right?" in out


def test_no_more_requests_are_made_than_were_allowed(sandbox: "Running", detect: Run) -> None:
    out = detect(sandbox.site("93"), "--requests", "1")[1]
    assert len(sandbox.requests("93")) == 1
    assert "# not asked: no request is left, see --requests" in out


def test_a_host_that_hangs_or_is_not_there_is_told(detect: Run) -> None:
    code, out, _ = detect("http://127.0.0.1:9/")
    assert code == 1
    assert "# UNREACHABLE: the connection was refused" in out


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("http://10.1.2.3/", "10.1.2.3 is not on the public internet"),
        ("file:///etc/passwd", "no address that can be opened"),
        ("http://user@127.0.0.1/", "no address that can be opened"),
    ],
)
def test_no_redirect_leads_where_an_address_may_not(detect: Run, target: str, said: str) -> None:
    with wire(answer(b"", status="302 Found", Location=target)) as site:
        code, out, _ = detect(site.address)
    assert code == 1
    assert said in out


def test_a_frame_that_leads_where_an_address_may_not_is_not_opened(detect: Run) -> None:
    body = b'<html><title>Rendez-vous</title><iframe src="http://169.254.169.254/rdv"></iframe></html>'
    with wire(answer(body, Content_Type="text/html")) as site:
        code, out, _ = detect(site.address)
        assert len(site.requests) == 1
    assert code == 1
    assert "169.254.169.254 is not on the public internet" in out


@pytest.mark.parametrize(
    "linked",
    [
        '<a href="http://10.0.0.1/booking/create/1">Naturalisation</a>',
        '<iframe src="http://[fd00::1]/booking/create/1"></iframe>',
    ],
)
def test_a_desk_in_a_private_network_is_none(detect: Run, tmp_path: Path, linked: str) -> None:
    page = f"<html><title>Rendez-vous</title>{linked}</html>".encode()
    with wire(answer(page, Content_Type="text/html")) as site:
        code, out, _ = detect(site.address)
        assert len(site.requests) == 1
    assert (code, entries(out), "is not on the public internet" in out) == (1, [], True)
    (tmp_path / "x.html").write_bytes(page)
    assert detect("--file", tmp_path / "x.html")[0] == 1


def test_a_file_is_no_page(detect: Run) -> None:
    with wire(answer(b"%PDF-1.4 \xe2\xe3", Content_Type="application/pdf")) as site:
        code, out, _ = detect(site.address)
    assert (code, "HTTP 200, application/pdf" in out) == (1, True)
    assert "this is a file, or what such a page asks for" in out


def test_a_link_that_tells_its_platform_is_not_said_to_be_looked_at(sandbox: "Running", detect: Run) -> None:
    _, out, err = detect(page_of(sandbox, "own_site"))
    addresses = [each["url"] for each in entries(out)]
    assert [url for url in addresses if f"looking at {url}" in err] == []
    assert "# its page says that it is over: put it in service only if you know better" in out


def test_a_desk_that_is_there_already_is_not_to_be_copied(detect: Run, tmp_path: Path) -> None:
    (known,) = [each for each in desks().values() if each.id == "cergy_95/naturalisation"]
    (tmp_path / "x.html").write_text(f"<!-- saved from url=(0054){known.url}/2 -->{ez.full()}")
    out = detect("--file", tmp_path / "x.html")[1]
    assert f"# it is already the desk {known.id}: copy nothing" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "expected URL, or --file SAVED"),
        (("a", "b"), "expected URL"),
        (("www.essonne.gouv.fr",), "'www.essonne.gouv.fr' is no address that can be opened: must be an address that begins"),
        (("ftp://127.0.0.1/",), "begins with http:// or https://"),
        (("javascript:alert(1)",), "begins with http:// or https://"),
        (("http://",), "names a host"),
        (("http://127.0.0.1:0/",), "names a host"),
        (("http://127.0.0.1:99999/",), "is no address that can be opened"),
        (("http://10.0.0.1/",), "10.0.0.1 is not on the public internet: only pages that everybody can open are opened"),
        (("https://www.essonne.gouv.fr/",), "is not on this machine"),
        (("http://127.0.0.1/", "--prefecture", "nulle-part_00"), "no prefecture 'nulle-part_00'"),
        (("http://127.0.0.1/", "--requests", "0"), "--requests is at least 1"),
        (("--file", "none.html"), "cannot read none.html: No such file or directory: check the path"),
        (("--file", "tests"), "cannot read tests: Is a directory"),
        (("--file", "docs/inbox.png"), "docs/inbox.png is no text: save the page as HTML"),
        (("ftp://x", "--file", "setup.cfg"), "'ftp://x' is no address of a page"),
    ],
    ids=str,
)  # fmt: skip
def test_wrong_input_says_what_is_wrong_and_what_to_do(
    detect: Run, arguments: tuple[str, ...], said: str
) -> None:
    code, out, err = detect(*arguments)
    assert (code, out) == (2, "") or "usage" in (out + err).lower()
    assert code == 2
    assert said in out + err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("content", "said"), [(b"x" * 2_000_001, "larger than 2,000,000 bytes"), (b"", "no text"), (b" \n", "no text")], ids=["large", "empty", "blank"]
)  # fmt: skip
def test_a_saved_page_that_is_none_is_refused(detect: Run, tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "x.html").write_bytes(content)
    code, out, err = detect("--file", tmp_path / "x.html")
    assert code == 2
    assert said in out + err


def test_a_saved_page_is_known_by_its_own_traces_and_read(detect: Run, tmp_path: Path) -> None:
    trace = "<!-- saved from url=(0054)https://www.essonne.gouv.fr/booking/create/9845/2 -->"
    (tmp_path / "x.html").write_text(trace + ez.full())
    code, out, _ = detect("--file", tmp_path / "x.html")
    (entry,) = entries(out)
    assert (code, entry["url"]) == (0, "https://www.essonne.gouv.fr/booking/create/9845")
    assert f"# NO_SLOTS: {ez.SENTENCE}" in out
    assert "# for configs/prefectures/evry-courcouronnes_91.yaml" in out


def test_a_saved_page_without_an_address_is_named_and_asks_for_it(detect: Run, tmp_path: Path) -> None:
    (tmp_path / "x.html").write_text('<div id="inner_Booking"><form id="FormBookingCreate">?</form></div>')
    code, out, _ = detect("--file", tmp_path / "x.html")
    assert (code, entries(out)) == (0, [])
    assert out.startswith("# ezbooking: file:///")
    assert "say the one that people open" in out
    told = detect("https://www.essonne.gouv.fr/booking/create/1", "--file", tmp_path / "x.html")[1]
    assert entries(told)[0]["url"] == "https://www.essonne.gouv.fr/booking/create/1"


def test_a_saved_list_of_desks_names_each_and_asks_none(detect: Run, tmp_path: Path) -> None:
    links = "".join(
        f'<li><a href="https://www.essonne.gouv.fr/booking/create/{form}/0">{text}</a></li>'
        for form, text in ((1, "Naturalisation"), (2, "Échange de permis de conduire"))
    )
    (tmp_path / "x.html").write_text(f"<html><title>Prendre rendez-vous</title><ul>{links}</ul></html>")
    code, out, _ = detect("--file", tmp_path / "x.html")
    assert (code, [each["procedures"] for each in entries(out)]) == (
        0,
        [["NATURALISATION"], ["PERMIS_CONDUIRE"]],
    )
    assert out.count("# not asked: nothing is, with --file") == 2


def test_an_answer_that_could_be_of_two_platforms_names_both(detect: Run, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"slots": [], "total": 0}')
    code, out, _ = detect("--file", tmp_path / "x.json")
    assert (code, "it could be an answer of bimedoc or of mesoigner" in out) == (1, True)
    assert "name the page that people open in a browser" in out


def test_a_saved_list_of_what_can_be_booked_makes_a_desk_of_each(detect: Run, tmp_path: Path) -> None:
    motives = [{"id": 1, "name": "Carte grise"}, {"id": 2, "name": "Échange de permis de conduire"}]
    (tmp_path / "x.json").write_text(json.dumps({"data": {"agendas": [], "visit_motives": motives}}))
    code, out, _ = detect("https://www.doctolib.fr/prefecture/lille/guichet", "--file", tmp_path / "x.json")
    assert code == 0
    assert [(each["procedures"], each["parameters"]) for each in entries(out)] == [
        (["CARTE_GRISE"], {"motives": [1]}),
        (["PERMIS_CONDUIRE"], {"motives": [2]}),
    ]


@pytest.mark.recordings
@pytest.mark.parametrize(
    ("file", "first", "said"),
    [
        ("prefenligne/ezbooking/val-doise_11343_step2_no_slot.html", "# ezbooking: https://www.val-doise.gouv.fr/booking/create/11343", "# NO_SLOTS: Il n'existe plus"),
        ("custom/rdv-service-public/maintenance.html", "# rdv_service_public: file://", "# MAINTENANCE: "),
        ("blocked/cloudflare_init_v1.html", "# platform unknown", "BLOCKED: "),
        ("blocked/cloudflare_captcha_norobot_v1.html", "# platform unknown", "CAPTCHA: "),
        ("blocked/cloudflare_recaptcha_2019.html", "# platform unknown", "CAPTCHA: "),
    ],
)  # fmt: skip
def test_a_recorded_page_is_named(detect: Run, file: str, first: str, said: str) -> None:
    if not (RECORDINGS / file).exists():
        pytest.skip(f"no recorded answers at {RECORDINGS}: set RECORDINGS to their folder")
    code, out, _ = detect("--file", RECORDINGS / file)
    assert (code, out.startswith(first)) == (int("unknown" in first), True)
    assert said in out
