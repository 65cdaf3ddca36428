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

from playwright.async_api import async_playwright

from configs.browser import arguments, browser_path, sandboxed
from configs.desk import Desk, Fetch
from configs.prefecture import desks
from crawler.booking import begun, visit
from crawler.browser.context import VIEWPORT, Guise
from crawler.browser.outside import browsers_outside, session_outside
from crawler.browser.pool import Browsers
from crawler.browser.tree import proportional, tree
from crawler.catalogue import visit_of
from crawler.fetching.allowance import Allowance
from crawler.proofs.sight import Witness
from crawler.reading import Outcome
from crawler.terminal.choice import located

_LARGEST = 2_000_000
_WEIGHED_EACH = 50  # checks
Check = Callable[[], Awaitable[None]]


async def measure(url: str, checks: int, many: int) -> dict[str, Any]:
    """Time `checks` of each kind in turns, then weigh ourselves now and then over `many` checks of ours."""
    (desk,) = (located(each, url) for each in desks().values() if each.fetch is Fetch.BROWSER)
    async with async_playwright() as playwright, browsers_outside() as browsers:
        chromium = await playwright.chromium.launch(
            executable_path=browser_path(), args=arguments(), chromium_sandbox=sandboxed()
        )

        async def ours() -> None:
            await _check(browsers, desk)

        async def bare() -> None:
            await _bare(chromium, desk)

        seconds = [[await _timed(each, checks) for each in (ours, bare)] for _ in range(3)]
        await chromium.close()
        held = [await _weighed(ours) for _ in range(max(2, many // _WEIGHED_EACH))]
    return {"rates": [[checks / each for each in turn] for turn in seconds], "held": held}


async def _timed(check: Check, checks: int) -> float:
    await check()  # a browser starts
    began = time.monotonic()
    for _ in range(checks):
        await check()
    return time.monotonic() - began


async def _weighed(check: Check) -> int:
    for _ in range(_WEIGHED_EACH):
        await check()
    return await asyncio.to_thread(lambda: proportional(tree(os.getpid())))


async def _check(browsers: Browsers, desk: Desk) -> None:
    """Check once as a spider does, from the first request to the outcome."""
    seen = visit_of(desk)
    session = session_outside(browsers, Allowance(100), Guise.of(desk), _LARGEST)
    tally = begun(desk, seen)
    await visit(desk, seen, tally, session, Witness())
    await session.close()
    if (found := tally.result()).outcome is not Outcome.SLOTS:
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
