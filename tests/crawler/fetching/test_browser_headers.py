"""Browser identities: each agrees with itself and is kept to the check's end."""

import asyncio
import os
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from configs.programs.browser_binary import arguments, browser_path
from crawler.browser import page as browser_page
from crawler.fetching.identity import HttpAgent, Identities, honest, pool
from tests.crawler.held import make_desk
from tests.crawler.wire import answer, wire
from tests.in_turn import in_turn

DESK = "https://www.essonne.gouv.fr/booking/create/23014"
POOL = pytest.mark.parametrize("agent", pool(), ids=lambda agent: agent.name)


def opened(agent: HttpAgent, url: str = DESK, page: str | None = None) -> dict[str, str]:
    return agent.build_headers("page", "GET", url, {}, page)


@POOL
def test_an_agent_says_one_thing_in_all_its_headers(agent: HttpAgent) -> None:
    sent = opened(agent)
    hints = {name: value for name, value in sent.items() if name.startswith("sec-ch-ua")}
    chromium = re.search(r"Chrome/(\d+)\.", agent.name)
    if not chromium:
        assert re.search(r"rv:(\d+)\.0\) Gecko/20100101 Firefox/\1\.0$", agent.name)
        assert hints == {}
        return
    maker = "Microsoft Edge" if "Edg/" in agent.name else "Google Chrome"
    assert f'"{maker}";v="{chromium[1]}"' in hints["sec-ch-ua"]
    assert f'"Chromium";v="{chromium[1]}"' in hints["sec-ch-ua"]
    system = hints["sec-ch-ua-platform"].strip('"')
    assert {"Windows": "Windows NT", "macOS": "Mac OS X", "Linux": "Linux x86_64"}[system] in agent.name


def test_twenty_browsers_of_engines_that_were_measured_are_named() -> None:
    assert len({agent.name for agent in pool()}) == len(pool()) >= 20
    assert not [agent.name for agent in pool() if not re.search(r"Chrome/|Firefox/", agent.name)]


def identify(host: str) -> HttpAgent:
    return asyncio.run(Identities(()).choose(host)).agent


@POOL
def test_opening_a_page_and_asking_from_a_script_differ_as_in_a_browser(agent: HttpAgent) -> None:
    page, script = opened(agent), agent.build_headers("script", "GET", f"{DESK}.json", {}, DESK)
    assert (page["Sec-Fetch-Mode"], page["Sec-Fetch-Dest"], page["Sec-Fetch-Site"]) == (
        "navigate",
        "document",
        "none",
    )
    assert (script["Sec-Fetch-Mode"], script["Sec-Fetch-Dest"], script["Sec-Fetch-Site"]) == (
        "cors",
        "empty",
        "same-origin",
    )
    assert "Upgrade-Insecure-Requests" not in script
    assert "Sec-Fetch-User" not in script
    assert (script["Accept"], script["Referer"]) == ("*/*", DESK)
    assert "Origin" not in script
    assert (
        agent.build_headers("script", "POST", f"{DESK}.json", {}, DESK)["Origin"]
        == "https://www.essonne.gouv.fr"
    )


@in_turn(
    "page, url, site, referer",
    [
        (None, DESK, "none", None),
        (DESK, "https://www.essonne.gouv.fr/x", "same-origin", DESK),
        ("https://www.doctolib.fr/a", "https://api.doctolib.fr/b", "same-site", "https://www.doctolib.fr/"),
        (DESK, "https://www.val-doise.gouv.fr/x", "cross-site", "https://www.essonne.gouv.fr/"),
        (DESK, "https://api.example.com/", "cross-site", "https://www.essonne.gouv.fr/"),
    ],
)
def test_a_browser_tells_of_the_page_that_asks_what_its_rules_allow(
    page: str | None, url: str, site: str | None, referer: str | None
) -> None:
    sent = opened(pool()[0], url, page)
    assert (sent.get("Sec-Fetch-Site"), sent.get("Referer")) == (site, referer)


def test_a_host_is_told_who_we_are_where_its_rule_says_so(
    tmp_path: Path, settings_env: Callable[..., None]
) -> None:
    hosts = tmp_path / "hosts.yaml"
    hosts.write_text("www.essonne.gouv.fr:443:\n  agent: honest\n", encoding="utf-8")
    settings_env(HOSTS_FILE=hosts, AGENT_CONTACT="mailto:robots@example.org")
    assert identify("www.essonne.gouv.fr:443").name == "RDVPriority/1.0 (+mailto:robots@example.org)"
    assert identify("www.val-doise.gouv.fr:443") in pool()
    sent = opened(honest())
    assert list(sent) == ["User-Agent", "Accept", "Accept-Language", "Accept-Encoding"]
    handshake = honest().build_headers("socket", "GET", DESK, {}, None)
    assert list(handshake) == ["User-Agent", "Accept-Language", "Accept-Encoding"]


def test_nothing_is_hidden_from_a_host_that_is_told_who_we_are(
    tmp_path: Path, settings_env: Callable[..., None]
) -> None:
    hosts = tmp_path / "hosts.yaml"
    hosts.write_text("127.0.0.1:81:\n  agent: honest\n  stealth: true\n", encoding="utf-8")
    settings_env(HOSTS_FILE=hosts)
    for port, hidden in ((80, True), (81, False)):
        desk = make_desk(f"http://127.0.0.1:{port}", stealth=True)
        assert browser_page._is_hidden(desk, identify(desk.host)) is hidden


@pytest.fixture(scope="module", params=["Chrome", "Firefox"])
def real(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    """What a browser of this machine sends as it opens a page, its own version's words left out."""
    profile, asked = tmp_path_factory.mktemp("profile"), threading.Event()
    chromium, firefox = browser_path(), shutil.which("firefox-esr") or shutil.which("firefox")
    language = ["--lang=fr-FR", "--accept-lang=fr-FR,fr"]
    command: list[object] = [
        chromium,
        *arguments(),
        "--headless=new",
        f"--user-data-dir={profile}",
        *language,
    ]
    if request.param == "Firefox":
        (profile / "user.js").write_text('user_pref("intl.accept_languages", "fr, fr-FR, en-US, en");')
        command = [firefox, "--headless", "--no-remote", "--profile", profile]
    if command[0] is None:
        pytest.skip("no such browser is installed: make browser")

    def say(connection: socket.socket, got: bytes) -> None:
        answer(b"<p>bonjour</p>")(connection, got)
        asked.set()

    with wire(say) as site:
        started, home = [*map(str, command), site.address], os.environ | {"HOME": str(profile)}
        with subprocess.Popen(started, env=home, stderr=subprocess.DEVNULL) as browser:
            asked.wait(60)
            browser.terminate()
        if not site.requests:
            pytest.skip(f"{command[0]} opens no page from a terminal")
        head = site.requests[0].decode().split("\r\n\r\n")[0].split("\r\n")[1:]
    pairs = [line.partition(": ") for line in head]
    return [(name, value) for name, _, value in pairs]


@pytest.mark.journey
def test_a_real_browser_sends_the_same_headers_in_the_same_order(real: list[tuple[str, str]]) -> None:
    sent = dict(real)
    found = re.search(r"(Chrome|Firefox)/\d+", sent["User-Agent"])
    assert found
    same = [agent for agent in pool() if f"{found[0]}." in agent.name]
    family = [agent for agent in pool() if "Linux" in agent.name and f"{found[1]}/" in agent.name]
    ours = opened(family[0], "http://127.0.0.1/")
    assert list(ours) == [name for name, _ in real if name != "Host"]
    others = {"User-Agent", "sec-ch-ua", "Accept-Encoding"}
    if not same:
        others |= {"Accept"}  # what it can show changes with its version
    fixed = [name for name in ours if name not in others]
    assert {name: ours[name] for name in fixed} == {name: sent[name] for name in fixed}
    if same and "sec-ch-ua" in sent:
        odd = next(each for each in same[0].words["brands"].split(", ") if "Not" in each)
        assert odd in sent["sec-ch-ua"]
