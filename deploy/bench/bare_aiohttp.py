"""Bare aiohttp on the same pages: the same concurrency, bodies read, nothing parsed, nothing kept.

`python -m deploy.bench.bare_aiohttp HOSTS PORT CONCURRENCY SECONDS` prints {pages, seconds, cpu} as JSON. The same
three requests a visit as the product makes; aiohttp follows the redirect. It is the floor: what asking alone costs.
"""

import asyncio
import json
import sys
import time
from itertools import count

import aiohttp

from deploy.bench.pages import FORM, address

_ACCEPTED = {"condition": "on", "nextButton": "Effectuer une demande de rendez-vous"}


async def _visit(client: aiohttp.ClientSession, url: str) -> int:
    """Ask as one check does; return the number of pages."""
    async with client.get(url) as answer:
        await answer.read()
    async with client.post(url, data=_ACCEPTED) as answer:
        await answer.read()
        return 2 + len(answer.history)


async def crawl(hosts: int, port: int, places: int, seconds: float) -> dict[str, float]:
    """Visit host after host in every place until the time is up; return {pages, seconds, cpu}."""
    visits = count()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:
        began, cpu_began = time.monotonic(), time.process_time()

        async def fill_place() -> int:
            pages = 0
            while time.monotonic() < began + seconds:
                pages += await _visit(
                    client, f"http://{address(next(visits) % hosts)}:{port}/booking/create/{FORM}/0"
                )
            return pages

        pages = sum(await asyncio.gather(*(fill_place() for _ in range(places))))
        return {"pages": pages, "seconds": time.monotonic() - began, "cpu": time.process_time() - cpu_began}


if __name__ == "__main__":
    print(
        json.dumps(
            asyncio.run(crawl(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
        )
    )
