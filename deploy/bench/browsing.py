"""`python -m deploy.bench.browsing URL CHECKS MANY`: checks by browser beside bare Playwright; prints JSON.

A process of its own: its browsers, its driver and what it holds itself are all that is weighed.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import psutil
from playwright.async_api import async_playwright

from configs.browser_binary import arguments, browser_path, sandboxed
from configs.desk import Desk, Fetch
from configs.prefecture import desks
from crawler.booking import start_visit, visit
from crawler.browser.context_options import VIEWPORT, ContextOptions
from crawler.browser.pool import Browsers
from crawler.browser.process_tree import proportional, tree
from crawler.browser.standalone import browsers_outside, session_outside
from crawler.catalogue import visit_of
from crawler.cli.arguments import relocate_desk
from crawler.fetching.request_budget import RequestBudget
from crawler.proofs.page_capture import CaptureBuffer
from crawler.reading import Outcome

_LARGEST = 2_000_000
_WEIGHED_EACH = 50  # checks
_AT_ONCE = 2  # BROWSER_PLACES by default
Check = Callable[[], Awaitable[None]]


async def measure(url: str, checks: int, many: int) -> dict[str, Any]:
    """Time `checks` of each kind in turns, alone and by twos, then measure our memory over `many` of our own checks.

    Of each turn: {kind: {seconds, cpu}} a check, `cpu` in seconds of the browser, its driver and Python together.
    """
    (desk,) = (relocate_desk(each, url) for each in desks().values() if each.fetch is Fetch.BROWSER)
    async with async_playwright() as playwright, browsers_outside() as browsers:
        chromium = await playwright.chromium.launch(
            executable_path=browser_path(), args=arguments(), chromium_sandbox=sandboxed()
        )

        async def ours() -> None:
            await _check(browsers, desk)

        async def bare() -> None:
            await _bare(chromium, desk)

        turns = [await _turn({"ours": ours, "bare": bare}, checks, at_once) for at_once in (1, _AT_ONCE) * 3]
        await chromium.close()
        held = [await _measure_memory(ours) for _ in range(max(2, many // _WEIGHED_EACH))]
    return {"alone": turns[::2], "together": turns[1::2], "held": held}


async def _turn(kinds: dict[str, Check], checks: int, at_once: int) -> dict[str, dict[str, float]]:
    return {name: await _timed(check, checks, at_once) for name, check in kinds.items()}


async def _timed(check: Check, checks: int, at_once: int) -> dict[str, float]:
    await check()  # a browser starts
    began, used = time.monotonic(), _cpu()
    each = max(1, checks // at_once)
    await asyncio.gather(*(_one_after_the_other(check, each) for _ in range(at_once)))
    count = each * at_once
    return {"seconds": (time.monotonic() - began) / count, "cpu": (_cpu() - used) / count}


async def _one_after_the_other(check: Check, checks: int) -> None:
    for _ in range(checks):
        await check()


def _cpu() -> float:
    """Return the seconds of CPU that this process and all below it used; a browser's pages end below its zygote."""
    me = psutil.Process()
    return sum(map(_cpu_of, (me, *me.children(recursive=True))))


def _cpu_of(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:  # it has just ended
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)


async def _measure_memory(check: Check) -> int:
    for _ in range(_WEIGHED_EACH):
        await check()
    return await asyncio.to_thread(lambda: proportional(tree(os.getpid())))


async def _check(browsers: Browsers, desk: Desk) -> None:
    """Check once as a spider does, from the first request to the outcome."""
    seen = visit_of(desk)
    session = session_outside(browsers, RequestBudget(100), ContextOptions.of(desk), _LARGEST)
    state = start_visit(desk, seen)
    await visit(desk, seen, state, session, buffer=CaptureBuffer())
    await session.close()
    if (found := state.result()).outcome is not Outcome.SLOTS:
        raise RuntimeError(f"the stand-in shows no slots: {found.reason}")


async def _bare(chromium: Any, desk: Desk) -> None:
    """Do the same by hand, as a short script would."""
    context = await chromium.new_context(viewport=VIEWPORT, locale="fr-FR", timezone_id=desk.time_zone)
    page = await context.new_page()
    await page.goto(desk.url)
    await page.click(desk.parameters["banner"])
    await page.select_option("#motif", desk.parameters["steps"][0]["option"])
    await page.wait_for_selector(desk.parameters["available"])
    await page.content()
    await context.close()


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))))
