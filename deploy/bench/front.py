"""Pages on a million detections: at a constant rate, and in a real browser with a slow processor and network."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence

from configs.browser_binary import missing_browser
from configs.settings import PREFECTURES
from deploy.bench.api_server import API, SignedIn, measure_cpu, serve_app, sign_in_people, write_rows
from deploy.bench.figures import Effort, Figure, Say, at_most, below
from deploy.bench.front_data import write_front_rows
from deploy.bench.open_loop import LoadGenerator, Reply, describe_replies, percentile_ms
from deploy.bench.page_loads import PageCost, describe_costs, measure_page, open_browser, sign_in_browser
from deploy.bench.page_mix import JSON, OWN, PUBLIC, PageMix, list_wishes
from deploy.bench.read_data import ReadData
from deploy.bench.servers import Servers, servers

_RATE = 50
_OK = 200
_PLACE = "/departements/nanterre_92"  # with the most desks
_PUBLIC_PAGES = (
    "/",
    "/departements",
    _PLACE,
    f"{_PLACE}/titre-sejour",
    "/departements/bobigny_93/titre-sejour",
    "/carte",
    "/calendrier",
    "/fiabilite",
    "/statut",
    "/conditions",
    "/vie-privee",
    "/mentions-legales",
    "/accessibilite",
    "/contact",
    "/login",
    "/register",
)
Timed = list[tuple[str, Reply]]


def run(effort: Effort, say: Say) -> list[Figure]:
    """Write the rows, start the API, measure.

    Raises:
        RuntimeError: there is no browser, or a page is not shown.
    """
    if missing := missing_browser():
        raise RuntimeError(f"no browser: {missing}")
    data = ReadData(effort.of(100_000, 1_000), effort.of(1_000_000, 10_000))
    with servers(lambda _: {"PREFECTURES_DIR": str(PREFECTURES), "PROXY_HOPS": "1"}) as made:
        write_rows(made, data, say)
        write_front_rows(made.engine)
        with serve_app(made, API, {"PROGRAM": "api"}) as port:
            figures, busy = asyncio.run(_measure_server(made, port, data, effort, say))
            return figures + _measure_browser(f"http://127.0.0.1:{port}", busy, effort, say)


async def _measure_server(
    made: Servers, port: int, data: ReadData, effort: Effort, say: Say
) -> tuple[list[Figure], SignedIn]:
    load = LoadGenerator(port)
    people = await sign_in_people(made, load, data, effort.of(50, 5))
    wishes = list_wishes()
    say(f"{len(people)} people signed in, {len(wishes)} wishes")
    seconds = effort.of(60.0, 3.0)
    await load.run_open(PageMix(PUBLIC | OWN, people, wishes), _RATE, effort.of(10.0, 1.0))  # pools
    pages = await _run_mix(load, PageMix(PUBLIC | OWN, people, wishes), seconds)
    answers = await _run_mix(load, PageMix(JSON, people, wishes), seconds / 2)
    for line in _describe_routes(pages + answers):
        say(line)
    number = effort.of(500, 20)
    cpu = [
        await measure_cpu(load, "a public page", PageMix(PUBLIC, people, wishes), number),
        await measure_cpu(load, "a signed-in page", PageMix(OWN, people, wishes), number),
    ]
    await load.close()
    return [*_build_figures(pages, answers), *cpu], people[0]


async def _run_mix(load: LoadGenerator, mix: PageMix, seconds: float) -> Timed:
    replies = await load.run_open(mix, _RATE, seconds)
    return list(zip(mix.drawn, replies, strict=True))


def _build_figures(pages: Timed, answers: Timed) -> list[Figure]:
    every = [reply for _, reply in pages]
    public = [reply for path, reply in pages if path in PUBLIC]
    own = [reply for path, reply in pages if path in OWN]
    failed = sum(reply.status != _OK for _, reply in (*pages, *answers))
    return [
        Figure(f"pages at {_RATE}/s, p50 ms", percentile_ms(every, 50)),
        Figure(f"pages at {_RATE}/s, p95 ms", percentile_ms(every, 95), below(50)),
        Figure(f"pages at {_RATE}/s, p99 ms", percentile_ms(every, 99)),
        Figure("of them public, p95 ms", percentile_ms(public, 95)),
        Figure("of them of a person, p95 ms", percentile_ms(own, 95)),
        Figure(
            f"outlook, map, calendar, ledger as JSON at {_RATE}/s, p95 ms",
            percentile_ms([reply for _, reply in answers], 95),
        ),
        Figure("pages that failed", failed, at_most(0)),
    ]


def _describe_routes(timed: Timed) -> Iterator[str]:
    routes: dict[str, list[Reply]] = defaultdict(list)
    for path, reply in timed:
        routes[path].append(reply)
    for path, replies in sorted(routes.items(), key=lambda item: -percentile_ms(item[1], 95)):
        largest = max(len(reply.body) for reply in replies)
        yield f"{path}: {describe_replies(replies)}, {largest / 1000:.1f} kB at most"


def _measure_browser(base: str, person: SignedIn, effort: Effort, say: Say) -> list[Figure]:
    """Load each public page, the dashboard and an alert of the person with many rows."""
    times = effort.of(3, 1)
    with open_browser() as browser:
        state = sign_in_browser(browser, base, person.email)
        public = [measure_page(browser, f"{base}{path}", None, times) for path in _choose_pages(effort)]
        own = [
            measure_page(browser, f"{base}{path}", state, times)
            for path in ("/dashboard", f"/alertes/{person.alert}")
        ]
    for line in describe_costs([*public, *own]):
        say(line)
    return list(_list_costs([*public, *own]))


def _choose_pages(effort: Effort) -> Sequence[str]:
    return effort.of(_PUBLIC_PAGES, tuple(random.sample(_PUBLIC_PAGES, 2)))


def _list_costs(costs: Sequence[PageCost]) -> Iterator[Figure]:
    for cost in costs:
        path = "/alertes/<id>" if cost.path.startswith("/alertes/") else cost.path
        yield Figure(f"`{path}`: largest paint, ms", cost.paint, at_most(1500))
        yield Figure(f"`{path}`: transferred, kB", cost.bytes / 1000, at_most(60))
    yield Figure(
        "most JavaScript of a page, kB", max(cost.script_bytes for cost in costs) / 1000, at_most(20)
    )
