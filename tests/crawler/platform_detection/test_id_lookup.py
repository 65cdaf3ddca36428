"""The id lookup: the order of its requests, their number, and the notes about missing ids."""

import asyncio
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from crawler.platform_detection.desk_candidate import DeskCandidate
from crawler.platform_detection.id_lookup import look_up_ids
from crawler.platform_detection.identify import PlatformMatch
from crawler.platform_detection.page_fetcher import PageFetcher
from tests.crawler.wire import Wire, answer, wire

PAGE = "/prefecture/lille/guichet"
CLINIC = "/api/patients/v2/clinics/1/specialties"


@contextmanager
def site(answers: Mapping[str, Any], status: str = "200 OK") -> Iterator[Wire]:
    """Serve answers by the end of their path; anything else is an empty object."""

    def say(connection: socket.socket, request: bytes) -> None:
        path = request.split(b" ", 2)[1].decode().partition("?")[0]
        found: Any = next((body for end, body in answers.items() if path.endswith(end)), {})
        answer(json.dumps(found).encode(), status=status)(connection, request)

    with wire(say) as served:
        yield served


def looked_up(served: Wire, name: str, requests: int = 30, **told: Any) -> list[DeskCandidate]:
    async def ask() -> list[DeskCandidate]:
        url = f"{served.address}{PAGE}"
        async with PageFetcher(requests, lambda *_: None) as opener:
            return await look_up_ids(
                opener, DeskCandidate(PlatformMatch(name, "its address", url, told), url, "Préfecture")
            )

    return asyncio.run(ask())


def paths(served: Wire) -> list[str]:
    return [line.split()[1].partition("?")[0] for line in served.lines]


def keldoc(cabinets: int = 1, motives: int = 1) -> dict[str, Any]:
    offered = [
        {"id": number, "name": f"Motif {number}", "agendas": [{"id": 1}]} for number in range(1, motives + 1)
    ]
    return {
        "/searches/resource": {"id": 1, "cabinets": [], "specialties": [{"id": 2, "name": "Titres"}]},
        "/cabinets": [{"id": number, "name": f"Cabinet {number}"} for number in range(1, cabinets + 1)],
        "/motive_categories": [{"motive_category_id": 1, "motives": offered}],
    }


def test_each_answer_tells_what_the_next_request_needs() -> None:
    with site(keldoc()) as served:
        (found,) = looked_up(served, "keldoc")
        assert paths(served) == [
            "/api/patients/v2/searches/resource",
            f"{CLINIC}/2/cabinets",
            f"{CLINIC}/2/cabinets/1/motive_categories",
        ]
    assert found.sign.parameters == {"clinic": 1, "specialty": 2, "cabinet": 1, "motive": 1}
    assert (found.missing, found.label, found.remarks) == ("", "Motif 1", ())


def test_each_choice_makes_a_desk_and_its_label_tells_them_apart() -> None:
    with site(keldoc(cabinets=2, motives=2)) as served:
        found = looked_up(served, "keldoc")
    assert [each.label for each in found] == [
        "Motif 1, Cabinet 1",
        "Motif 2, Cabinet 1",
        "Motif 1, Cabinet 2",
        "Motif 2, Cabinet 2",
    ]
    assert [(each.sign.parameters["cabinet"], each.sign.parameters["motive"]) for each in found] == [
        (1, 1), (1, 2), (2, 1), (2, 2),
    ]  # fmt: skip


def test_what_is_known_is_not_asked_for() -> None:
    with site({}) as served:
        (found,) = looked_up(served, "keldoc", clinic=1, specialty=2, cabinet=3, motive=4)
        assert paths(served) == []
    assert found.missing == ""


def test_what_an_address_tells_stays_whatever_an_answer_says() -> None:
    found = DeskCandidate(
        PlatformMatch("keldoc", "its address", "https://x.fr/", {"clinic": 1}), "https://x.fr/", "x"
    )
    assert found.with_parameters({"clinic": 2, "cabinet": 3}).sign.parameters == {"clinic": 1, "cabinet": 3}


def test_ten_desks_are_made_and_the_others_named() -> None:
    with site(keldoc(motives=12)) as served:
        found = looked_up(served, "keldoc")
    assert len(found) == 10
    assert found[-1].remarks == ("2 more are offered, which are left out here: 'Motif 11', 'Motif 12'",)
    with site(keldoc(cabinets=4, motives=4)) as served:
        found = looked_up(served, "keldoc")
        assert len(paths(served)) == 1 + 1 + 3, "no cabinet is asked whose desks would not be shown"
    assert len(found) == 10
    assert found[-1].remarks == (f"more is offered at {served.address}{PAGE}: only 10 desks are shown",)


def test_an_answer_that_is_none_leaves_the_desk_as_it_was_and_is_said() -> None:
    with site({}) as served:
        (found,) = looked_up(served, "keldoc")
    assert found.missing == "clinic, specialty, cabinet, motive"
    asked = f"{served.address}/api/patients/v2/searches/resource?type=prefecture&location=lille&slug=guichet"
    assert found.remarks == (
        f"clinic was asked for and is not told: the answer of {asked} (HTTP 200) names none that can be read",
    )


def test_a_wall_before_an_answer_is_named() -> None:
    with site({}, status="429 Too Many Requests") as served:
        (found,) = looked_up(served, "doctolib")
        assert len(paths(served)) == 1
    assert found.remarks[0].startswith("motives was asked for and is not told: RATE_LIMITED: ")


def test_a_host_that_is_gone_meanwhile_is_told() -> None:
    with site({}) as served:
        pass
    (found,) = looked_up(served, "doctolib")
    assert "is not told: UNREACHABLE: " in found.remarks[0]


def test_no_more_is_asked_than_is_allowed_and_what_is_known_is_kept() -> None:
    with site(keldoc()) as served:
        (found,) = looked_up(served, "keldoc", requests=2)
        assert len(paths(served)) == 2
    assert found.missing == "motive"
    assert found.remarks == ("motive was asked for and is not told: no request is left, see --requests",)


def test_of_a_page_that_embeds_another_platforms_that_one_is_asked() -> None:
    booking = {"data": {"agendas": [], "visit_motives": [{"id": 6, "name": "Duplicata"}]}}
    with site({"/booking/guichet.json": booking}) as served:
        outer, frame = f"{served.address}/rendez-vous", f"{served.address}{PAGE}"

        async def ask() -> list[DeskCandidate]:
            sign = PlatformMatch(
                "widget", "it embeds it", outer, {"platform": "doctolib", "parameters": {}}, frame
            )
            async with PageFetcher(9, lambda *_: None) as opener:
                return await look_up_ids(opener, DeskCandidate(sign, outer, "Rendez-vous"))

        (found,) = asyncio.run(ask())
    assert (found.url, found.label, found.missing) == (outer, "Duplicata", "")
    assert found.sign.parameters == {"platform": "doctolib", "parameters": {"motives": [6]}}
