"""Browsers that get push messages on the page of the channels, and the service worker."""

import re
import zlib
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from flask.testing import FlaskClient

from api.models.user import Channel, Contact, User
from api.pages.asset_files import compute_version
from configs.ground.brand import BRAND
from configs.ground.contact_addresses import digest
from tests.api.world import Door
from tests.browser_keys import subscribe
from tests.clients import Browser
from tests.factories import add_grant, one, rows

NAME = "Firefox, Linux"
_ADD = "/canaux/navigateurs"


@cache
def make_subscription(number: int) -> dict[str, Any]:
    return subscribe(path=f"device-{number}")


@pytest.fixture
def subscriber(camille: Browser) -> Browser:
    """Give a browser of a user with a plan, on the page of the channels."""
    add_grant(one(User).id, days=365)
    camille.headers["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    camille.get("/canaux")
    return camille


def fill_form(number: int = 0, **changes: str) -> dict[str, str]:
    """Return the fields of the form as static/push.js fills them."""
    subscription = make_subscription(number)
    keys = {f"keys.{name}": value for name, value in subscription["keys"].items()}
    return {"endpoint": subscription["endpoint"], **keys, **changes}


def list_devices() -> list[Contact]:
    return [each for each in rows(Contact) if each.channel is Channel.PUSH]


def test_a_browser_is_added_and_listed_with_its_name(subscriber: Browser, door: Door) -> None:
    form = subscriber.page.find_form(_ADD)
    assert form["fields"]["name"] == [NAME]
    assert "qui voit quand un message arrive, et non ce qu’il dit" in subscriber.page.text
    subscriber.send(_ADD, **fill_form())
    page = subscriber.follow()
    assert "Ce navigateur recevra nos notifications." in page.text
    assert NAME in page.text
    (device,) = list_devices()
    assert device.reachable
    assert (device.consent or {})["alerts"]["subject"] == "push"
    assert f'data-device="{digest(make_subscription(0)["endpoint"])}"' in page.html
    assert make_subscription(0)["endpoint"] not in page.html


def test_a_browser_is_removed_also_twice(subscriber: Browser) -> None:
    subscriber.send(_ADD, **fill_form())
    page = subscriber.follow()
    for _ in range(2):
        subscriber.page = page
        subscriber.send("/retirer")
        assert "Ce navigateur est retiré." in subscriber.follow().text
    assert list_devices() == []
    assert NAME in subscriber.page.find_form(_ADD)["fields"]["name"]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"name": ""}, "Donnez un nom à ce navigateur."),
        ({"endpoint": "https://evil.example/push"}, "Ce navigateur ne s’est pas inscrit"),
        ({"keys.auth": '"><script>alert(1)</script>'}, "Ce navigateur ne s’est pas inscrit"),
    ],
    ids=["no name", "unlisted", "markup"],
)
def test_what_is_no_subscription_is_refused_in_words(
    subscriber: Browser, changes: dict[str, str], text: str
) -> None:
    page = subscriber.send(_ADD, **(fill_form() | changes))
    assert (subscriber.status, text in page.text) == (422, True)
    assert "<script>alert" not in page.html
    assert list_devices() == []


def test_the_sixth_browser_is_refused_until_one_is_removed(subscriber: Browser) -> None:
    page = subscriber.page
    for number in range(5):
        subscriber.page = page
        subscriber.send(_ADD, **fill_form(number))
    full = subscriber.follow()
    assert "5 navigateurs au plus" in full.text
    assert not [each for each in full.forms if each["attributes"]["action"] == _ADD]
    subscriber.page = page
    assert "retirez-en un d’abord" in subscriber.send(_ADD, **fill_form(5)).text
    assert (subscriber.status, len(list_devices())) == (422, 5)


def test_without_a_plan_or_a_key_the_page_says_so(
    settings_env: Callable[..., None], camille: Browser
) -> None:
    page = camille.get("/canaux")
    assert "Les notifications demandent une formule en cours." in page.text
    assert not [each for each in page.forms if _ADD in each["attributes"]["action"]]
    settings_env(VAPID_PUBLIC_KEY="")
    assert "Les notifications ne sont pas disponibles en ce moment." in camille.get("/canaux").text


def test_push_is_switched_off_and_its_groups_are_chosen(subscriber: Browser) -> None:
    assert "notifyPush" not in subscriber.page.html
    subscriber.send(_ADD, **fill_form())
    subscriber.follow()
    fields = subscriber.page.find_form("/canaux/choix")["fields"]
    assert fields["notifyPush"] == ["true"]
    assert 'name="slots.push"' in subscriber.get("/preferences").html
    subscriber.get("/canaux").find_form("/canaux/choix")["fields"].pop("notifyPush")
    subscriber.send("/canaux/choix")
    assert not list_devices()[0].enabled


def test_the_worker_serves_the_whole_site_and_loads_nothing(client: FlaskClient) -> None:
    answer = client.get("/push-worker.js")
    assert (answer.status_code, answer.mimetype) == (200, "text/javascript")
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "script-src" not in answer.headers["Content-Security-Policy"]
    assert 'addEventListener("push"' in answer.text
    assert 'addEventListener("fetch"' not in answer.text
    again = client.get("/push-worker.js", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


def test_a_phone_can_put_the_site_on_its_home_screen(client: FlaskClient, camille: Browser) -> None:
    for page in ("/", "/login", "/canaux"):
        html = camille.get(page).html
        assert 'rel="manifest"' in html, "whichever page is put there"
        touch = re.search(r'<link rel="apple-touch-icon" href="([^"]+)">', html)
        assert touch, "iPhones draw no picture of a manifest, and no SVG"
        assert read_size(client.get(touch[1]).data) == (192, 192)
    static = f"/static/{compute_version()}"
    answer: Any = client.get(f"{static}/app.webmanifest")
    assert answer.mimetype == "application/manifest+json"
    given = answer.get_json(force=True)
    assert (given["display"], given["scope"]) == ("standalone", "/")
    for icon in given["icons"]:
        picture = client.get(f"{static}/{icon['src']}")
        assert (picture.status_code, picture.mimetype) == (200, icon["type"])
        if icon["type"] == "image/png":
            assert "{}x{}".format(*read_size(picture.data)) == icon["sizes"]


def read_size(picture: bytes) -> tuple[int, int]:
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    assert zlib.decompress(picture[picture.index(b"IDAT") + 4 :])[1:4].hex() == BRAND.removeprefix("#")
    return int.from_bytes(picture[16:20], "big"), int.from_bytes(picture[20:24], "big")
