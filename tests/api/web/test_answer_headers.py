"""Headers of answers: what may be kept and for how long, packed bodies, the front end's origin, guards, the number in logs."""

import gzip
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
import structlog
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from api.ground.cache import AnswerCache
from api.ground.errors import ApiError
from api.web.openapi import build_document
from configs.ground.clock import clock
from configs.ground.redis import redis_client
from tests.clients import Browser, People
from tests.factories import add_account, add_desk
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


TAKES = {"Accept-Encoding": "gzip, deflate, br"}
OUTLOOK = "/api/prefectures/bobigny_93/outlook?procedure=TITRE_SEJOUR"
PAGE = "/departements"


@in_turn("path", [PAGE, "/carte/direct", OUTLOOK, "/api/prefectures/map"])
def test_what_is_public_is_packed_for_clients_that_take_it(client: FlaskClient, path: str) -> None:
    plain = client.get(path)
    for refuses in ({}, {"Accept-Encoding": "br"}, {"Accept-Encoding": "gzip;q=0"}):
        refused = client.get(path, headers=refuses)
        assert "Content-Encoding" not in refused.headers
        assert "Accept-Encoding" in refused.vary
    packed = client.get(path, headers=TAKES)
    assert gzip.decompress(packed.data) == plain.data
    assert len(packed.data) < len(plain.data) / 2
    assert packed.headers["Content-Length"] == str(len(packed.data))
    assert packed.headers["ETag"] != plain.headers["ETag"]
    assert packed.vary.as_set() == plain.vary.as_set() >= {"accept-encoding"}


def test_what_the_client_has_is_not_sent_again_and_a_small_body_as_it_is(client: FlaskClient) -> None:
    tag = client.get(PAGE, headers=TAKES).headers["ETag"]
    again = client.get(PAGE, headers=TAKES | {"If-None-Match": tag})
    assert (again.status_code, again.data) == (304, b"")
    assert (again.headers["ETag"], "Accept-Encoding" in again.vary) == (tag, True)
    assert client.get(PAGE, headers={"If-None-Match": tag}).status_code == 200
    small = client.get("/robots.txt", headers=TAKES)
    assert len(small.data) < 1024
    assert "Content-Encoding" not in small.headers


def test_what_is_a_persons_own_is_never_packed(app: Flask, client: FlaskClient, person: People) -> None:
    add_account()
    camille = Browser(app).sign_in()

    def check(answer: TestResponse) -> None:
        assert (answer.status_code, "Content-Encoding" in answer.headers) == (200, False), answer.request.path

    for path in ("/dashboard", "/profil", "/securite", "/alertes/nouvelle?prefecture=bobigny_93", "/forgot"):
        check(camille.client.get(path, headers=TAKES | {"Accept": "text/html"}))
    headers = TAKES | person("ada@example.org").headers
    for path in ("/api/alerts", "/api/auth/me"):
        check(client.get(path, headers=headers))


FRONT = "https://front.example"


def test_the_front_end_may_ask_before_it_sends_whatever_the_routes_of_an_address_take(
    bare: FlaskClient,
) -> None:
    for path, item in build_document(bare.application)["paths"].items():  # type: ignore[arg-type] # a Flask of flask_openapi3
        at = re.sub(r"{\w+}", "00000000-0000-0000-0000-000000000000", path)
        answer = bare.options(at, headers={"Origin": FRONT, "Access-Control-Request-Method": "PUT"})
        assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (200, FRONT)
        methods = set(answer.headers["Access-Control-Allow-Methods"].split(", "))
        assert methods - {"HEAD", "OPTIONS"} == {each.upper() for each in item}, path
        headers = set(answer.headers["Access-Control-Allow-Headers"].split(", "))
        reads_login = any(each.get("security") for each in item.values())
        reads_body = any("requestBody" in each for each in item.values())
        assert headers == {"X-Request-ID"} | ({"Authorization"} if reads_login else set()) | (
            {"Content-Type"} if reads_body else set()
        ), path


def test_the_front_end_may_move_reminders(bare: FlaskClient) -> None:
    asked = {"Origin": FRONT, "Access-Control-Request-Method": "PUT"}
    headers = bare.options(
        "/api/alerts/00000000-0000-0000-0000-000000000000/reminders", headers=asked
    ).headers
    assert "PUT" in headers["Access-Control-Allow-Methods"]
    assert {"Authorization", "Content-Type"} <= set(headers["Access-Control-Allow-Headers"].split(", "))


def test_a_preflight_of_nothing_allows_nothing(bare: FlaskClient) -> None:
    answer = bare.options("/api/nothing", headers={"Origin": FRONT, "Access-Control-Request-Method": "GET"})
    assert (answer.status_code, answer.headers["Access-Control-Allow-Methods"]) == (404, "")


def test_the_front_end_may_read_answers_and_refusals(bare: FlaskClient) -> None:
    for path in ("/api/health/live", "/api/alerts", "/api/nothing"):
        answer = bare.get(path, headers={"Origin": FRONT})
        assert answer.headers["Access-Control-Allow-Origin"] == FRONT
        assert "X-Request-ID" in answer.headers["Access-Control-Expose-Headers"]
        assert "Access-Control-Allow-Credentials" not in answer.headers


@in_turn(
    "origin",
    ["http://front.example", "https://front.example.evil.example", "null"],
)
def test_no_other_site_may(bare: FlaskClient, origin: str) -> None:
    for method in ("GET", "OPTIONS"):
        answer = bare.open("/api/health/live", method=method, headers={"Origin": origin})
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert "Origin" in answer.headers["Vary"]


def test_every_answer_is_guarded_and_numbered_and_asks_for_https_where_the_api_has_it(
    bare: FlaskClient, settings_env: Callable[..., None]
) -> None:
    for path in ("/api/health/live", "/api/nothing", "/l/stop.x", "/api/docs"):
        headers = bare.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert len(headers["X-Request-ID"]) == 36
        assert "Set-Cookie" not in headers
        assert "Strict-Transport-Security" not in headers
    settings_env(API_URL="https://api.example.org")
    assert "max-age" in bare.get("/api/health/live").headers["Strict-Transport-Security"]


def test_a_good_request_id_is_kept_and_a_strange_one_replaced(bare: FlaskClient) -> None:
    def number(given: str) -> str:
        return bare.get("/api/health/live", headers={"X-Request-ID": given}).headers["X-Request-ID"]

    assert number("trace-0123456789") == "trace-0123456789"
    for strange in ("short", "x" * 65, "a b c d e f g h", "<script>alert(1)", "ééééééééé"):
        assert number(strange) != strange


def test_the_log_names_the_route_never_the_token_in_its_path(
    bare: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        bare.get("/l/stop.secret-token", headers={"X-Request-ID": "trace-0123456789"})
    assert "secret-token" not in caplog.text
    assert "/l/<token>" in caplog.text
    assert "StopAlerts" in caplog.text
    assert "trace-0123456789" in caplog.text
    structlog.contextvars.clear_contextvars()


class Source:
    """Builds numbered bodies; waits while `go_on` is cleared."""

    def __init__(self) -> None:
        self.made = 0
        self.go_on = threading.Event()
        self.begun = threading.Event()
        self.go_on.set()

    def build(self) -> bytes:
        self.made += 1
        self.begun.set()
        assert self.go_on.wait(20)
        return str(self.made).encode()


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def cache(redis_server: redis.Redis) -> AnswerCache:
    return AnswerCache(redis_client())


def test_a_process_keeps_a_body_while_it_is_fresh_and_no_longer(
    cache: AnswerCache, source: Source, redis_server: redis.Redis, frozen: time_machine.Traveller
) -> None:
    kept = [cache.get("x", source.build), cache.get("x", source.build)]
    redis_server.delete("api:cache:x")
    frozen.shift(4)
    kept.append(cache.get("x", source.build))
    assert [(each.body, each.source, each.age) for each in kept[1:]] == [(b"1", "hit", 4.0)] * 2
    frozen.shift(1)
    assert cache.get("x", source.build).body == b"2"
    assert [cache.get(f"y{each}", source.build).body for each in (*range(150), 0)][-1] == b"3"


def test_twenty_at_once_without_a_body_build_one(cache: AnswerCache, source: Source) -> None:
    source.go_on.clear()
    with ThreadPoolExecutor(20) as threads:
        found = [threads.submit(cache.get, "x", source.build) for _ in range(20)]
        assert source.begun.wait(20)
        source.go_on.set()
        assert {each.result().body for each in found} == {b"1"}
    assert source.made == 1


def test_a_body_that_takes_long_to_build_is_built_by_one_and_the_others_get_the_older_one(
    cache: AnswerCache, source: Source, frozen: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.ground.cache._PATIENCE", 0.2)
    cache.get("x", source.build)
    frozen.shift(6)
    source.begun.clear()
    source.go_on.clear()
    with ThreadPoolExecutor(6) as threads:
        builds = threads.submit(cache.get, "x", source.build)
        assert source.begun.wait(20)
        others = [threads.submit(cache.get, "x", source.build) for _ in range(5)]
        assert {(each.result(20).body, each.result().age) for each in others} == {(b"1", 6.0)}
        source.go_on.set()
        assert builds.result(20).body == b"2"
    assert cache.get("x", source.build).body == b"2"
    assert source.made == 2


def test_a_first_body_that_takes_too_long_is_waited_for_within_bounds(
    cache: AnswerCache, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.ground.cache._LONGEST_WAIT", 0.2)
    source.go_on.clear()
    with ThreadPoolExecutor(1) as threads:
        builds = threads.submit(cache.get, "x", source.build)
        assert source.begun.wait(20)
        with pytest.raises(ApiError, match="try again") as refused:
            cache.get("x", source.build)
        source.go_on.set()
        assert builds.result(20).body == b"1"
    assert (refused.value.status, source.made) == (503, 1)


def test_a_process_that_died_while_it_built_is_replaced(
    cache: AnswerCache, source: Source, redis_server: redis.Redis
) -> None:
    redis_server.set("api:cache:x:lock", "1", px=50)
    left = cache.get("x", lambda: str(redis_server.pttl("api:cache:x:lock")).encode()).body
    assert 0 < int(left) <= 10_000


def test_an_error_of_the_build_is_everybodys_and_the_next_one_tries_again(
    cache: AnswerCache, source: Source
) -> None:
    def fail() -> bytes:
        raise RuntimeError("the database is away")

    for _ in range(2):
        with pytest.raises(RuntimeError):
            cache.get("x", fail)
    assert cache.get("x", source.build).source == "miss"


def test_a_clock_that_was_ahead_leaves_nothing_that_lasts(
    cache: AnswerCache, source: Source, frozen: time_machine.Traveller
) -> None:
    frozen.shift(3600)
    cache.get("x", source.build)
    frozen.shift(-3600)
    assert cache.get("x", source.build).body == b"2"


@pytest.mark.parametrize(
    "rubbish", [b"", b"rubbish", b"2026-11-20\nbody", b"\xff\xfe\n", b"1e18\nbody", b"1e20\nbody"]
)
def test_rubbish_is_no_body(
    cache: AnswerCache, source: Source, redis_server: redis.Redis, rubbish: bytes
) -> None:
    redis_server.set("api:cache:x", rubbish)
    assert cache.get("x", source.build).body == b"1"
