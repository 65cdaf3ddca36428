import gzip

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.clients import Browser, People
from tests.factories import add_account
from tests.in_turn import in_turn

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

    for path in ("/dashboard", "/profil", "/securite", "/alertes/nouvelle?prefecture=bobigny_93", "/login"):
        check(camille.client.get(path, headers=TAKES | {"Accept": "text/html"}))
    headers = TAKES | person("ada@example.org").headers
    for path in ("/api/alerts", "/api/auth/me"):
        check(client.get(path, headers=headers))
