"""The 808 wishes: each procedure at each prefecture of the shipped desk files, asked for by a new person of the API.

A wish is *sold* where it is taken at once, *being tried* where its desks were not proven yet, *waited for* where a page is
known, *unknown* where none is. One that is refused needs a way on: the address to look at or another page that is watched,
and an alert that waits.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product
from typing import Any

from flask import Flask

from configs.settings.groups import PREFECTURES
from configs.world.desk import Procedure
from configs.world.prefecture import prefectures
from tests.lab.bench.figures import Effort, Figure, Say, forget
from tests.lab.bench.servers import servers

_CREATED, _PLAN_NEEDED, _REFUSED = 201, 402, 422
_WAYS = ("where to look: https://", "watched there: ")
_STATES = ("sold", "being tried", "waited for", "unknown")
_WORDS = {"no page for": "unknown", "being tried": "being tried"}
Post = Callable[..., Any]


def run(effort: Effort, say: Say) -> list[Figure]:
    """Ask for all, before any check and once checks have proven each desk; `quick`: at a tenth of the prefectures."""
    with servers(lambda _: {"PREFECTURES_DIR": str(PREFECTURES)}) as made:
        os.environ |= made.environment | {"PROGRAM": "api"}
        del os.environ["ANTS_TOKEN"]  # as on a server that was not given one
        forget()
        from api.app import create_app
        from tests.desk_proofs import prove_desks

        app, places = create_app(), [*prefectures()][:: effort.of(1, 10)]
        figures = list(_ask_all(app, places, "before any check", say))
        prove_desks()
        return [*figures, *_ask_all(app, places, "each desk proven", say)]


def _ask_all(app: Flask, places: Sequence[str], when: str, say: Say) -> Iterator[Figure]:
    from tests.clients import sign_in
    from tests.factories import add_user

    found, stuck = Counter[tuple[str, Procedure]](), 0
    for number, (place, procedure) in enumerate(product(places, Procedure)):
        person = sign_in(app, add_user().id)
        home = {
            "REMOTE_ADDR": f"10.{len(when)}.{number // 250}.{number % 250}"
        }  # else one address asks too often
        post = partial(person.send, "POST", "/api/alerts", environ_base=home)
        state, has_way = ask(post, {"prefectureId": place, "procedures": [procedure], "acceptHealth": True})
        found[state, procedure] += 1
        if not has_way:
            stuck += 1
            say(f"no way on: {place}, {procedure}")
    for line in _list_table(found):
        say(line)
    for state in _STATES:
        yield Figure(
            f"wishes {state}, of {found.total()}, {when}", sum(found[state, each] for each in Procedure)
        )
    yield Figure(f"wishes without a way on, {when}", stuck, "≤ 0")


def ask(post: Post, wish: dict[str, Any]) -> tuple[str, bool]:
    """Post a wish; return its state, and whether there is a way on.

    Raises:
        RuntimeError: it is answered by something else than yes or `not_watched`.
    """
    answer = post(body=wish)
    if answer.status_code in (_CREATED, _PLAN_NEEDED):
        return "sold", True
    errors = answer.json.get("errors", [])
    if answer.status_code != _REFUSED or [each["rule"] for each in errors] != ["not_watched"]:
        raise RuntimeError(f"{wish}: {answer.status_code} {answer.text}")
    detail = errors[0]["detail"]
    waits = post(body=wish | {"acceptWaiting": True}).status_code == _CREATED
    has_way = waits and any(way in detail for way in _WAYS)
    return next((state for words, state in _WORDS.items() if words in detail), "waited for"), has_way


def _list_table(found: Counter[tuple[str, Procedure]]) -> Iterator[str]:
    yield f"| procedure | {' | '.join(_STATES)} |"
    yield "| --- |" + " --- |" * len(_STATES)
    for procedure in Procedure:
        yield f"| {procedure} | {' | '.join(str(found[state, procedure]) for state in _STATES)} |"
