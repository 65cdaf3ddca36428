"""Bare aiohttp on the same pages: the same concurrency, bodies read, nothing parsed, nothing kept.

`python -m tests.lab.bench.bare_aiohttp HOSTS PORT CONCURRENCY SECONDS` prints {pages, seconds, cpu} as JSON. The same
three requests a visit as the product makes; aiohttp follows the redirect. It is the floor: what asking alone costs.
"""

import asyncio
import json
import sys
import time
from itertools import count

import aiohttp

from tests.lab.bench.pages import ACCEPTED, first_page


async def crawl(hosts: int, port: int, places: int, seconds: float) -> dict[str, float]:
    """Visit host after host in every place until the time is up; return {pages, seconds, cpu}."""
    visits = count()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:
        began, cpu_began = time.monotonic(), time.process_time()

        async def fill_place() -> int:
            pages = 0
            while time.monotonic() < began + seconds:
                url = f"{first_page(next(visits) % hosts, hosts, port)}/0"
                async with client.get(url) as answer:
                    await answer.read()
                async with client.post(url, data=ACCEPTED) as answer:
                    await answer.read()
                    pages += 2 + len(answer.history)
            return pages

        pages = sum(await asyncio.gather(*(fill_place() for _ in range(places))))
        return {"pages": pages, "seconds": time.monotonic() - began, "cpu": time.process_time() - cpu_began}


if __name__ == "__main__":
    hosts, port, places = map(int, sys.argv[1:4])
    print(json.dumps(asyncio.run(crawl(hosts, port, places, float(sys.argv[4])))))
