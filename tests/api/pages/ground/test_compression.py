import gzip

from flask.testing import FlaskClient

from tests.api.pages.browser import Browser

TAKES = {"Accept-Encoding": "gzip, deflate, br"}


def test_a_public_page_is_packed_for_browsers_that_take_it(client: FlaskClient, visitor: Browser) -> None:
    visitor.get("/departements")
    plain = visitor.response
    for refuses in ({}, {"Accept-Encoding": "br"}, {"Accept-Encoding": "gzip;q=0"}):
        assert "Content-Encoding" not in client.get("/departements", headers=refuses).headers
    packed = client.get("/departements", headers=TAKES)
    assert gzip.decompress(packed.data) == plain.data
    assert len(packed.data) < len(plain.data) / 2
    assert packed.headers["ETag"] != plain.headers["ETag"]
    assert {"Accept-Encoding", "Accept-Language"} <= set(packed.vary)
    assert plain.vary == packed.vary


def test_what_the_browser_has_is_not_sent_again(client: FlaskClient) -> None:
    for path in ("/departements", "/carte/direct"):
        tag = client.get(path, headers=TAKES).headers["ETag"]
        again = client.get(path, headers=TAKES | {"If-None-Match": tag})
        assert (again.status_code, again.data) == (304, b"")
        assert client.get(path, headers={"If-None-Match": tag}).status_code == 200
