"""`scrapy detect URL` as a person runs it, against the stand-ins and where nothing is to be had."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from crawler.platforms import platforms
from deploy.sample_desk_files import desk_entry, prefecture_file
from tests.crawler.checks import NOW
from tests.crawler.commanded import Run
from tests.crawler.platform_detection.printed import NOBODYS, entries, page_of
from tests.crawler.wire import answer, wire

if TYPE_CHECKING:
    from deploy.sandbox.running import Running


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
    assert (
        {"ezbooking", "rdvpref"}
        <= {each["platform"] for each in entries(out)}
        <= set(platforms()) - {NOBODYS}
    )
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
