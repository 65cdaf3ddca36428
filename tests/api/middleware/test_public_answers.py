from collections.abc import Callable

import pytest
import time_machine
from flask.testing import FlaskClient

from configs.ground.clock import clock
from tests.clients import People
from tests.factories import add_desk
from tests.in_turn import in_turn

CACHED = [
    "/api/calendar",
    "/api/prefectures/bobigny_93/calendar.ics?procedure=TITRE_SEJOUR",
    "/api/prefectures",
    "/api/prefectures/bobigny_93",
    "/api/prefectures/map?procedure=TITRE_SEJOUR",
    "/api/prefectures/bobigny_93/outlook?procedure=TITRE_SEJOUR",
    "/api/reliability",
    "/api/stats",
    "/api/detections/stats",
]
PUBLIC = [*CACHED, "/api/openapi.json", "/api/docs"]


@in_turn("path", PUBLIC)
def test_who_has_the_body_is_told_so_in_place_of_being_sent_it(client: FlaskClient, path: str) -> None:
    first = client.get(path)
    again = client.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert (first.status_code, again.status_code, again.data) == (200, 304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert first.headers["Cache-Control"] == "public, max-age=5"
    assert "Origin" in first.headers["Vary"]
    assert client.get(path, headers={"If-None-Match": '"another"'}).status_code == 200


@in_turn("path", CACHED)
def test_caches_on_the_way_learn_how_old_it_is(
    client: FlaskClient, path: str, frozen: time_machine.Traveller
) -> None:
    first = client.get(path)
    frozen.shift(1.2)
    second = client.get(path)
    assert (first.headers["Age"], second.headers["Age"]) == ("0", "1")
    assert first.headers["Cache-Status"] == "rdvpriority; fwd=miss; stored"
    assert second.headers["Cache-Status"] == "rdvpriority; hit"
    assert first.data == second.data


def test_a_new_status_is_shown_after_five_seconds_at_most(
    client: FlaskClient, frozen: time_machine.Traveller
) -> None:
    before = client.get("/api/prefectures")
    add_desk(last_check_at=clock())
    assert client.get("/api/prefectures").data == before.data
    frozen.shift(5)
    after = client.get("/api/prefectures", headers={"If-None-Match": before.headers["ETag"]})
    assert (after.status_code, after.data == before.data) == (200, False)


def test_without_redis_everybody_is_served(client: FlaskClient, settings_env: Callable[..., None]) -> None:
    settings_env(REDIS_URL="redis://127.0.0.1:1/0")
    for path in CACHED:
        for _ in range(2):
            answer = client.get(path)
            assert (answer.status_code, answer.headers["Cache-Status"]) == (200, "rdvpriority; fwd=bypass")


def test_what_is_a_users_own_is_kept_nowhere(client: FlaskClient, person: People) -> None:
    headers = person().headers
    for path in ("/api/alerts", "/api/detections", "/api/auth/me"):
        assert client.get(path, headers=headers).headers["Cache-Control"] == "no-store"


@pytest.mark.usefixtures("frozen")
def test_a_cached_answer_is_the_same_for_each_person_and_mixes_no_languages(
    client: FlaskClient, person: People
) -> None:
    askers: list[dict[str, str]] = [person().headers, person("robin@example.org").headers, {}]
    for path in CACHED:
        kept: dict[str, bytes] = {}
        for language in ("fr", "ar", "fr"):  # once more: what was kept of the other language is not sent
            for asker in askers:
                answer = client.get(path, headers=asker | {"Accept-Language": language})
                assert (answer.status_code, kept.setdefault(language, answer.data)) == (200, answer.data), (
                    path
                )
                assert answer.headers["Cache-Control"] == "public, max-age=5"
                assert "Set-Cookie" not in answer.headers
                assert b"@example.org" not in answer.data
        assert kept["fr"] == kept["ar"] or "Accept-Language" in answer.headers["Vary"], path
