"""No address from outside leads into a private network: not by itself, by its name, a redirect, or a change of mind."""

import asyncio
import ipaddress
import socket
from collections.abc import Callable

import pytest

from configs.ground.addresses import same_site
from configs.ground.public_addresses import is_public
from configs.settings import load
from configs.settings.proxies import parse_proxies
from crawler.commands.detect import fetch_page
from crawler.fetching import ssrf_guard
from crawler.fetching.errors import FetchError
from crawler.fetching.identity import Identities
from crawler.fetching.request_budget import RequestBudget
from crawler.fetching.ssrf_guard import refuse_private
from crawler.reading import Page
from crawler.scheduling.candidates import find_home
from crawler.url_policy import AddressRefused, ensure_allowed
from tests.crawler.held import Held
from tests.crawler.wire import answer, wire
from tests.in_turn import in_turn

INNER = "127.0.0.2"


@pytest.fixture
def live(settings_env: Callable[..., None]) -> None:
    """Let this process ask the public internet, as production does; the tests' own guard still keeps it here."""
    settings_env(APP_ENV="development", ALLOW_LIVE_SITES="1")


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Answer look-ups: name to the addresses of each look-up in turn, the last one for all that follow."""
    known: dict[str, list[str]] = {}

    def look_up(host: str, port: int, *_: object, **__: object) -> list[object]:
        answers = known[host]
        address = answers.pop(0) if len(answers) > 1 else answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in address.split()]

    monkeypatch.setattr("crawler.fetching.download_handler.socket.getaddrinfo", look_up)
    return known


@pytest.fixture
def only_one_is_public(live: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take 127.0.0.1 for a public address, so that a test can serve there; all others of this machine stay private."""
    monkeypatch.setattr(ssrf_guard, "is_public", lambda address: str(address) == "127.0.0.1")


def opened(url: str) -> Page:
    return asyncio.run(fetch_page(url))


@in_turn(
    "url",
    ["http://127.0.0.1/", "http://[::1]:8800/", "http://192.168.1.1/admin", "https://[fe80::1%25eth0]/", "ws://10.0.0.1/", "http://169.254.169.254/"],
)  # fmt: skip
@pytest.mark.usefixtures("live")
def test_a_private_address_is_refused_at_once(url: str) -> None:
    with pytest.raises(AddressRefused, match=r"not on the public internet|no address"):
        refuse_private(url)


@in_turn("address", [INNER, "10.0.0.1", "8.8.8.8 10.0.0.1", "::ffff:127.0.0.1", "0.0.0.1"])
@pytest.mark.usefixtures("live")
def test_a_name_that_leads_into_a_private_network_is_refused(
    looked_up: dict[str, list[str]], address: str
) -> None:
    looked_up["rdv.example"] = [address]
    with pytest.raises(FetchError, match=r"rdv\.example \(.*\) is not on the public internet"):
        opened("http://rdv.example/")


@in_turn("odd", ["2130706433", "0x7f.1", "127.1", "localhost"])
@pytest.mark.usefixtures("live")
def test_an_address_in_an_odd_spelling_is_a_name_and_refused_for_what_it_means(odd: str) -> None:
    with pytest.raises(FetchError, match=r"is not on the public internet|not a canonical IPv4"):
        opened(f"http://{odd}:9/")


@pytest.mark.usefixtures("only_one_is_public")
def test_who_changes_a_names_address_after_the_look_up_gains_nothing(looked_up: dict[str, list[str]]) -> None:
    with wire(answer(b"public")) as site:
        port = site.address.rpartition(":")[2]
        looked_up["rdv.example"] = ["127.0.0.1", INNER]
        assert opened(f"http://rdv.example:{port}/").body == b"public"
        with pytest.raises(FetchError, match=rf"rdv\.example \({INNER}\) is not on the public internet"):
            opened(f"http://rdv.example:{port}/")
    assert len(looked_up["rdv.example"]) == 1  # each opening looked up once


@in_turn("target", [f"http://{INNER}:{{}}/", "http://inner.example:{}/", "//inner.example:{}/x"])
@pytest.mark.usefixtures("only_one_is_public")
def test_no_redirect_leads_into_a_private_network(looked_up: dict[str, list[str]], target: str) -> None:
    looked_up["inner.example"] = [INNER]
    with wire(answer(b"secret"), host=INNER) as inner:
        location = target.format(inner.address.rpartition(":")[2])
        with (
            wire(answer(b"", status="302 Found", Location=location)) as site,
            pytest.raises(FetchError, match="is not on the public internet"),
        ):
            opened(site.address)
        assert inner.requests == []


def test_no_visit_to_a_candidate_leads_into_a_private_network(
    held: Held,
    looked_up: dict[str, list[str]],
    settings_env: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings_env(APP_ENV="development", ALLOW_LIVE_SITES="1")
    home = find_home("rdv.example.gouv.fr:443")
    assert home
    looked_up["rdv.example.gouv.fr"] = [INNER]
    with wire(answer(b"secret"), host=INNER) as inner:
        for proxies in ("", inner.address):
            monkeypatch.setattr(held.spider, "identities", Identities(parse_proxies(proxies)))
            robots = held.run(held.spider.read_robots(home, 1, RequestBudget(10)))
            for item in (held.check(home, probe=True), robots):
                assert "is not on the public internet" in item.reason
    assert inner.requests == []


def test_what_any_platform_says_takes_a_slot_is_never_opened() -> None:
    with wire(answer(b"taken")) as site:
        for path in ("/booking/create/1/5/1795000000", "/rdvpref/reservation/demarche/1/cgu/_validerCaptcha"):
            with pytest.raises(FetchError, match="would take a slot"):
                opened(f"{site.address}{path}")
        assert site.requests == []
        for path in ("/_layout/accueil", "/agents/rendez-vous"):  # what other platforms' addresses mean there
            assert opened(f"{site.address}{path}").body == b"taken"


@in_turn(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.1", "224.0.0.1",
        "255.255.255.255", "192.0.2.1", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1",
        "2002:7f00:1::", "64:ff9b::7f00:1", "64:ff9b::a00:1", "2001:db8::1",
        "::169.254.169.254", "::ffff:0:127.0.0.1", "64:ff9b:1::a9fe:a9fe", "fec0::1",
    ],
)  # fmt: skip
def test_these_are_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@in_turn("address", ["8.8.8.8", "193.252.22.1", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_these_are(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


HERE = "http://www.essonne.gouv.fr/booking/create/1"


ONE_SITE = ("http://www.essonne.gouv.fr/", "http://WWW.Essonne.gouv.fr:80/x", "https://www.essonne.gouv.fr/",
            "http://essonne.gouv.fr/", "https://essonne.gouv.fr:443/")  # fmt: skip
OTHERS = ("http://other.essonne.gouv.fr/", "http://www.essonne.gouv.fr.evil.com/", "http://www.essonne.gouv.fr:8080/",
          "ftp://www.essonne.gouv.fr/", "javascript:alert(1)", "")  # fmt: skip


def test_one_site_is_told_from_others() -> None:
    assert [each for each in (*ONE_SITE, *OTHERS) if same_site(HERE, each)] == list(ONE_SITE)


@in_turn("env", ["test", "sandbox", "development"])
@in_turn(
    "url", [HERE, "http://127.0.0.1.evil.com/", "http://10.0.0.1/", "http://[2001:db8::1]/", "http:///x"]
)
def test_outside_production_only_this_machine_is_asked(env: str, url: str) -> None:
    with pytest.raises(AddressRefused, match="is not on this machine"):
        ensure_allowed(url, load(app_env=env, test_periods={}))


@pytest.mark.rule("3.11")
def test_nothing_allows_live_sites_to_a_test() -> None:
    with pytest.raises(AddressRefused):
        ensure_allowed(HERE, load(app_env="test", allow_live_sites=True))
    ensure_allowed(HERE, load(app_env="development", allow_live_sites=True, test_periods={}))
