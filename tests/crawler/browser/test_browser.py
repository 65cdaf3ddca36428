"""Checks by a real Chromium: the context, the limits, the end."""

import os
import re
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from configs.world.desk import Outcome
from crawler.browser.page import BrowserSession
from crawler.fetching.errors import FetchError
from crawler.fetching.request_budget import RequestBudget
from crawler.reading import PageRequest, VisitContext
from tests.crawler.browser.browser_page import (
    NONE,
    RULES,
    SLOT,
    browsers,
    desk_at,
    page,
    paths,
    site,
    spider_at,
)
from tests.crawler.held import Held
from tests.crawler.pages import TODAY
from tests.crawler.wire import answer
from tests.waiting import until

if TYPE_CHECKING:
    import psutil

    from crawler.items import CheckItem

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.usefixtures("browser")]
SAYS = """<script>
const size = [innerWidth, innerHeight, screen.width, screen.height].join();
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const about = {size, zone, languages: navigator.languages.join(), driven: navigator.webdriver, agent: navigator.userAgent};
fetch("/said?" + new URLSearchParams(about)).then(() => document.body.append("Plus rien"));
</script>"""


@pytest.fixture(autouse=True)
def _settings(settings_env: Callable[..., None], browser: Path) -> Callable[..., None]:
    settings_env(BROWSER_PATH=browser, BROWSER_DEADLINE_SECONDS="45", BROWSER_WAIT_SECONDS="15")
    return settings_env


def said(path: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}


@pytest.mark.journey
def test_a_page_is_opened_as_a_person_in_france_would_without_images(held: Held) -> None:
    static = "<img src=/a.png><link rel=stylesheet href=/a.css><video src=/a.mp4></video>"
    with site({"/": page(static + SAYS), "/said": answer(b"")}) as served:
        item = held.check(desk_at(served.address, time_zone="Indian/Reunion"))
    assert (item.outcome, item.requests) == (Outcome.NO_SLOTS, 2)
    assert {path.partition("?")[0] for path in paths(served)} == {"/", "/a.css", "/said"}
    about = said(next(path for path in paths(served) if path.startswith("/said")))
    assert (about["size"], about["zone"], about["languages"]) == (
        "1920,1080,1920,1080",
        "Indian/Reunion",
        "fr-FR",
    )
    assert (about["driven"], "Headless" in about["agent"]) == ("true", True), "what is not to hide does not"
    assert b"\r\nAccept-Language: fr-FR" in served.requests[0]


@pytest.mark.journey
def test_stealth_is_on_where_a_desk_says_so(held: Held) -> None:
    with site({"/": page(SAYS), "/said": answer(b"")}) as served:
        held.check(desk_at(served.address, stealth=True))
    about = said(next(path for path in paths(served) if path.startswith("/said")))
    assert about.get("driven") != "true"
    assert "Headless" not in about["agent"]
    assert all(b"Headless" not in request for request in served.requests)
    assert about["languages"].startswith("fr-FR")


@pytest.mark.journey
def test_no_check_has_the_cookies_of_another(held: Held) -> None:
    script = "<script>fetch('/again').then(() => document.body.append('Plus rien'))</script>"
    with site({"/": page(script, Set_Cookie="seen=1; path=/"), "/again": answer(b"")}) as served:
        for _ in range(2):
            held.check(desk_at(served.address))
    cookies = [bool(re.search(rb"(?i)\r\ncookie: seen=1", request)) for request in served.requests]
    assert (paths(served), cookies) == (["/", "/again"] * 2, [False, True] * 2)


@pytest.mark.journey
def test_a_stand_in_answers_for_a_real_host(held: Held, settings_env: Callable[..., None]) -> None:
    with site({"/rdv": page(f"<a href=/suite>x</a>{SLOT}")}) as served:
        settings_env(SANDBOX_HOSTS=f"rdv.example.fr={served.address.removeprefix('http://')}")
        item = held.check(desk_at("https://rdv.example.fr/rdv"))
    assert item.outcome is Outcome.SLOTS
    assert {slot.url for slot in item.slots} == {"https://rdv.example.fr/rdv"}
    assert re.search(rb"(?i)\r\nhost: rdv\.example\.fr\r\n", served.requests[0])


def fetched(held: Held, address: str, path: str = "") -> bytes:
    """Fetch a page that says "Plus rien" some time, where an address with /take takes a slot."""

    async def fetch() -> bytes:
        desk = desk_at(address)
        session = BrowserSession(desk, held.spider.crawler, RequestBudget(9))
        ask = PageRequest(address + path, awaits=("text=Plus rien",))
        try:
            return (
                await session.fetch(ask, VisitContext(desk.url, TODAY), lambda url, _: "/take" in url)
            ).body
        finally:
            await session.close()

    return held.run(fetch())


def test_neither_a_page_nor_its_script_nor_a_redirect_takes_a_slot(held: Held) -> None:
    script = (
        "<script>fetch('/take', {method: 'POST'}).catch(() => document.body.append('Plus rien'))</script>"
    )
    pages = {"/": page(script), "/moved": answer(b"", status="302 Found", Location="/take")}
    with site(pages) as served:
        assert b"Plus rien" in fetched(held, served.address, "/")
        with pytest.raises(FetchError, match="which would take a slot: not asked"):
            fetched(held, served.address, "/moved")
    assert "/take" not in paths(served)


TAKES = (
    """<a id=tab href=/take/tab>x</a><script>
for (const key of ["ctrlKey", "shiftKey"]) tab.dispatchEvent(new MouseEvent("click", {[key]: true}));</script>""",
    """<a id=a download href=/take/link>x</a><map><area id=b download href=/take/area></map>
<iframe srcdoc="<a id=c download href=/take/frame>x</a><script>c.click()</script>"></iframe><script>
a.click(); a.dispatchEvent(new MouseEvent("click")); b.click();
const apart = (place) => Object.assign(document.createElement("a"), {download: "", href: "/take/" + place});
for (const place of [1, 2, 3]) { apart(place).click(); apart(place).dispatchEvent(new MouseEvent("click")); }
const text = document.createElement("b"), around = apart("around"); around.append(text); text.click();
const hidden = document.body.appendChild(document.createElement("div")).attachShadow({mode: "closed"});
hidden.append(apart("shadow")); hidden.firstChild.click();</script>""",
    "<script>try { new SharedWorker('/take/worker') } catch {}</script>",
    "<script src=/moved/script></script>",
    "<link rel=stylesheet href=/moved/style>",
)


def test_no_trick_of_a_page_takes_a_slot(held: Held) -> None:
    later = "<script>setTimeout(() => document.body.append('Plus rien'), 500)</script>"
    moved = {
        f"/moved/{kind}": answer(b"", status="302 Found", Location=f"/take/{kind}")
        for kind in ("script", "style")
    }
    with site({"/": page("".join(TAKES) + later), **moved}) as served:
        assert b"Plus rien" in fetched(held, served.address)
        time.sleep(0.3)
    assert sorted(path for path in paths(served) if path.startswith(("/take", "/moved"))) == sorted(moved)


@pytest.mark.journey
def test_an_action_on_a_link_to_download_takes_no_slot(held: Held) -> None:
    with site({"/": page("<a download href=/take>Choisir</a><p>Plus rien")}) as served:
        rules = RULES | {"steps": [{"at": "a"}]}
        item = held.check(desk_at(served.address, rules))
        time.sleep(0.3)
    assert (item.outcome, paths(served)) == (Outcome.NO_SLOTS, ["/"])


@pytest.mark.journey
def test_a_page_that_shows_more_than_is_read_is_measured_in_the_browser(held: Held) -> None:
    body = b"<body><script>document.body.append('x'.repeat(3e6), 'Plus rien')</script>"
    with site({"/": answer(body, Content_Type="text/html")}) as served:
        item = held.check(desk_at(served.address))
    assert item.outcome is Outcome.UNREADABLE
    assert "characters show, 2000000 are read at most" in item.reason


@pytest.mark.journey
def test_no_window_that_a_page_opens_asks_for_anything(held: Held) -> None:
    opening = """<a href=/moved target=_blank>x</a><script>
window.open("/take"); document.querySelector("a").click(); setTimeout(() => document.body.append("Plus rien"), 300);
</script>"""
    with site({"/": page(opening), "/moved": answer(b"", status="302 Found", Location="/take")}) as served:
        item = held.check(desk_at(served.address))
    assert (item.outcome, item.requests, paths(served)) == (Outcome.NO_SLOTS, 1, ["/"])


@pytest.mark.parametrize(
    ("said", "outcome", "reason"),
    [
        ({"status": "300 Multiple Choices"}, Outcome.NO_SLOTS, "Plus rien"),
        ({"Content_Disposition": "attachment"}, Outcome.UNREADABLE, "a file to download, which is no page"),
        ({"status": "204 No Content"}, Outcome.UNREADABLE, "HTTP 204, which is no page"),
    ],
)
@pytest.mark.journey
def test_an_answer_that_is_no_common_page_is_named(
    held: Held, said: dict[str, str], outcome: Outcome, reason: str
) -> None:
    with site({"/": answer(NONE.encode(), **said)}) as served:
        item = held.check(desk_at(served.address))
    assert (item.outcome, item.requests, item.milliseconds < 40_000) == (outcome, 1, True)
    assert reason in f"{item.reason} {item.error}"


@pytest.mark.parametrize("body", ["<script>while (true) {}</script>", ""])
@pytest.mark.journey
def test_a_page_that_hangs_costs_one_deadline(
    held: Held, settings_env: Callable[..., None], body: str
) -> None:
    silent = page(body) if body else (lambda *_: time.sleep(3))
    settings_env(BROWSER_DEADLINE_SECONDS="2")
    with site({"/": silent, "/well": page(NONE)}) as served:
        item = held.check(desk_at(served.address))
        assert (item.outcome, 1900 <= item.milliseconds < 30_000) == (Outcome.UNREACHABLE, True)
        settings_env(BROWSER_DEADLINE_SECONDS="45")
        assert held.check(desk_at(f"{served.address}/well")).outcome is Outcome.NO_SLOTS


@pytest.mark.journey
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_browser_that_is_killed_or_hangs_is_unreachable_and_the_next_check_has_a_new_one(
    held: Held, settings_env: Callable[..., None], how: signal.Signals
) -> None:
    hit: list[int] = []

    def strike(connection: Any, request: bytes) -> None:
        hit.extend(each.pid for each in browsers())
        for pid in hit:
            os.kill(pid, how)
        page(SLOT)(connection, request)

    settings_env(BROWSER_DEADLINE_SECONDS="10")
    with site({"/": strike, "/well": page(NONE)}) as served:
        item = held.check(desk_at(served.address))
        assert (item.outcome, item.slots) == (Outcome.UNREACHABLE, ())
        settings_env(BROWSER_DEADLINE_SECONDS="45")
        assert held.check(desk_at(f"{served.address}/well")).outcome is Outcome.NO_SLOTS
    until(lambda: not set(hit) & {each.pid for each in browsers()})
    assert len(hit) == 1


@pytest.mark.journey
def test_a_killed_spider_leaves_neither_its_browser_nor_files(browser: Path, tmp_path: Path) -> None:
    seen: list[psutil.Process] = []
    temporary = Path(tempfile.mkdtemp())  # a shorter path than pytest's: the browser's sockets are below it

    def strike(*_: object) -> None:
        seen.extend(browsers(spider.pid))
        assert any(temporary.iterdir())
        spider.kill()

    with site({"/": strike}) as served:
        spider = spider_at(served.address, browser, tmp_path, TMPDIR=str(temporary))
        spider.communicate(timeout=120)
    assert (spider.returncode, len(seen)) == (-signal.SIGKILL, 1)
    until(lambda: not any(each.is_running() for each in seen) and not any(temporary.iterdir()))
    temporary.rmdir()


@pytest.mark.journey
def test_a_browser_that_does_not_start_is_said(held: Held, settings_env: Callable[..., None]) -> None:
    settings_env(BROWSER_PATH="/bin/false")
    items: list[CheckItem] = []

    def says_it() -> (
        bool
    ):  # one may just have been starting; and until Playwright hears of its end, checks fail
        for each in browsers():
            each.kill()
        items.append(held.check(desk_at(served.address)))
        return "/bin/false does not start (see make browser)" in items[-1].reason

    with site({}) as served:
        until(says_it)
    assert (items[-1].outcome, items[-1].requests) == (Outcome.UNREACHABLE, 0)


@pytest.mark.journey
def test_acts_are_done_as_a_person_would(held: Held, settings_env: Callable[..., None]) -> None:
    form = """<form id=f onsubmit="event.preventDefault(); const d = new FormData(this);
document.body.append([...d.entries()].join(' ')); document.body.insertAdjacentHTML('beforeend', '<p>Plus rien')">
<input name=nom><input type=radio name=lieu value=a><input type=radio name=lieu value=b>
<select name=motif><option value=1>Visa</option><option value=2>Titre</option></select><button>Suite</button></form>"""
    step = {"at": "#f button", "fields": {"nom": "x", "lieu": "b", "motif": "2"}}
    with site({"/": page(form)}) as served:
        rules = {**RULES, "banner": "#bandeau", "steps": [step]}
        item = held.check(desk_at(served.address, rules))
        assert (item.outcome, item.error) == (Outcome.NO_SLOTS, None)
        settings_env(BROWSER_WAIT_SECONDS="0.5")
        missing = held.check(desk_at(served.address, {**RULES, "steps": [{"at": "#nowhere"}]}))
        assert (missing.outcome, missing.reason) == (Outcome.UNREADABLE, "nothing is there to do: #nowhere")
        wrong = held.check(
            desk_at(served.address, {**RULES, "steps": [{"at": "select", "option": "Permis"}]})
        )
        assert wrong.outcome is Outcome.UNREADABLE
        assert wrong.reason.startswith("cannot be done: select Permis")


@pytest.mark.journey
def test_what_follows_of_an_act_is_waited_for_where_the_old_answer_still_shows(held: Held) -> None:
    lazy = f"""<select id=motif><option>Visa</option><option>Titre</option></select><div id=d>{NONE}</div><script>
motif.onchange = () => setTimeout(() => fetch("/hours").then(said => said.text()).then(said => d.innerHTML = said), 100);
</script>"""
    with site({"/": page(lazy), "/hours": answer(SLOT.encode())}) as served:
        rules = {**RULES, "steps": [{"at": "#motif", "option": "Titre"}]}
        assert held.check(desk_at(served.address, rules)).outcome is Outcome.SLOTS


@pytest.mark.journey
def test_a_document_that_breaks_off_proves_nothing(held: Held) -> None:
    cut = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 9999\r\n\r\n" + NONE.encode()

    def say(connection: Any, _request: bytes) -> None:
        connection.sendall(cut)

    with site({"/": say}) as served:
        item = held.check(desk_at(served.address))
    assert (item.outcome, item.requests) == (Outcome.UNREACHABLE, 4)
