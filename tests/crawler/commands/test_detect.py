"""`scrapy detect URL` as a person runs it, against the stand-ins and where nothing is to be had."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from configs.world.desk import Desk, Outcome
from configs.world.prefecture import load_prefectures
from crawler.catalogue import check_catalogue
from crawler.platforms import platforms
from deploy.sandbox.platforms import platforms as stand_ins
from tests.crawler.commanded import Run, scrapy
from tests.crawler.held import Held
from tests.crawler.wire import answer, wire
from tests.in_turn import in_turn
from tests.sample_desk_files import prefecture_file
from tests.samples import try_first

if TYPE_CHECKING:
    from tests.running_sandbox import Running


NOBODYS = "selectors"  # its stand-in is a page that no known software serves
InService = Callable[[str], Desk]


def page_of(sandbox: "Running", name: str) -> str:
    site = stand_ins()[name].sites[0]
    return sandbox.site(site.code) + stand_ins()[name].page(site.forms[0])


def entries(out: str) -> list[dict[str, Any]]:
    found = yaml.safe_load(out)
    return found if isinstance(found, list) else []


@pytest.fixture
def detect(capsys: pytest.CaptureFixture[str]) -> Run:
    return partial(scrapy, capsys, "detect")


@pytest.fixture
def in_service(tmp_path: Path, settings_env: Callable[..., None]) -> InService:
    """Copy what was printed into a desk file, as a person would; return the first desk that the programs load."""

    def copy(out: str) -> Desk:
        (tmp_path / "evry_91.yaml").write_text(prefecture_file(tier=1, hosts=[], desks=[out], capital="Évry"))
        settings_env(PREFECTURES_DIR=tmp_path, HTTP_DEADLINE_SECONDS=20)
        check_catalogue()
        return load_prefectures(tmp_path)["evry_91"].desks[0]

    return copy


# Platforms whose desks are complete by their address, or a prefecture.
COMPLETE = {"esirius", "ezbooking", "rdv_service_public", "rdvpref"}
SOFTWARE = [name for name in sorted(stand_ins()) if name in platforms() and name != NOBODYS]
CONCLUSIVE = {Outcome.SLOTS, Outcome.NO_SLOTS}


@pytest.mark.parametrize("name", try_first(SOFTWARE, 5))
def test_the_platform_of_a_stand_in_is_named_with_an_entry_that_loads(
    sandbox: "Running", detect: Run, held: Held, in_service: InService, name: str
) -> None:
    url = page_of(sandbox, name)
    code, out, err = detect(url)
    assert code == 0, out + err
    (entry,) = entries(out)
    assert (entry["platform"], entry["grade"]) == (name, "unconfirmed")
    desk = in_service(out)
    assert sum(sandbox.reservations(site.code) for site in stand_ins()[name].sites) == 0
    assert (desk.watch != "none") == (name in COMPLETE)
    if name not in COMPLETE:
        assert f"docs/platforms/{name}.md" in (desk.because or "")
        return
    wanted = {Outcome.CAPTCHA} if desk.watch == "people" else CONCLUSIVE
    assert held.check(desk).outcome in wanted


def test_a_page_of_no_known_software_is_unknown_and_says_what_to_do(sandbox: "Running", detect: Run) -> None:
    code, out, _ = detect(page_of(sandbox, NOBODYS))
    assert code == 1
    assert out.startswith("# platform unknown\n# seen: http://127.77.3.1:")
    assert "docs/platforms/selectors.md" in out
    assert entries(out) == []


def test_a_prefectures_own_page_leads_to_the_desks_that_it_links(sandbox: "Running", detect: Run) -> None:
    code, out, _ = detect(page_of(sandbox, "own_site"))
    assert code == 0
    assert (
        {"ezbooking", "rdvpref"}
        <= {each["platform"] for each in entries(out)}
        <= set(platforms()) - {NOBODYS}
    )
    assert all(each["url"].startswith("http://127.77.") for each in entries(out))
    assert len({each["slug"] for each in entries(out)}) == len(entries(out)) > 1


@in_turn(
    "mode, said",
    [("block", "HTTP 403"), ("cloudflare", "BLOCKED: Cloudflare"), ("maintenance", "MAINTENANCE: ")],
)
def test_a_wall_before_an_unknown_page_is_said_and_the_platform_is_unknown(
    sandbox: "Running", detect: Run, mode: str, said: str
) -> None:
    sandbox.reset()
    sandbox.mode(NOBODYS, mode)
    sandbox.mode("75", mode)
    code, out, _ = detect(page_of(sandbox, NOBODYS))
    assert (code, out.partition("\n")[0], said in out) == (1, "# platform unknown", True)
    code, out, _ = detect(page_of(sandbox, "ezbooking"))
    assert (code, out.partition(":")[0], said in out) == (0, "# ezbooking", True)


@in_turn(
    "target, said",
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


@in_turn(
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
    assert (code, entries(out)) == (1, [])
    (tmp_path / "x.html").write_bytes(page)
    assert detect("--file", tmp_path / "x.html")[0] == 1


def test_a_saved_page_is_named_by_the_address_it_was_saved_from_and_nothing_is_asked(
    detect: Run, tmp_path: Path
) -> None:
    url = "https://www.x.gouv.fr/booking/create/11343"
    (tmp_path / "x.html").write_text(f"<!-- saved from url=(0042){url} --><title>Naturalisation</title>")
    code, out, _ = detect("--file", tmp_path / "x.html")
    assert (code, [each["url"] for each in entries(out)]) == (0, [url])
    assert (entries(out)[0]["label"], entries(out)[0]["procedures"]) == ("Naturalisation", ["AUTRE"])


@in_turn(
    "arguments, said",
    [
        ((), "expected URL, or --file SAVED"),
        (("a", "b"), "expected URL"),
        (("www.essonne.gouv.fr",), "'www.essonne.gouv.fr' is no address that can be opened: must be an address that begins"),
        (("javascript:alert(1)",), "begins with http:// or https://"),
        (("http://",), "names a host"),
        (("http://127.0.0.1:99999/",), "is no address that can be opened"),
        (("http://10.0.0.1/",), "10.0.0.1 is not on the public internet: only pages that everybody can open are opened"),
        (("https://www.essonne.gouv.fr/",), "is not on this machine"),
        (("--file", "none.html"), "cannot read none.html: No such file or directory: check the path"),
        (("--file", "tests"), "cannot read tests: Is a directory"),
        (("--file", "docs/inbox.png"), "docs/inbox.png is no text: save the page as HTML"),
    ],
)  # fmt: skip
def test_wrong_input_says_what_is_wrong_and_what_to_do(
    detect: Run, arguments: tuple[str, ...], said: str
) -> None:
    code, out, err = detect(*arguments)
    assert code == 2
    assert said in out + err
    assert "Traceback" not in err
