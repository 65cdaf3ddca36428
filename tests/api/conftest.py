"""The API in one process, on a real database and a real Redis."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import redis
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from jinja2 import FileSystemBytecodeCache
from rq import Queue, SimpleWorker

import notifier
from api.app import create_app
from api.models.notification import QUEUES
from configs.ground.logs import set_up_logs
from configs.settings import Settings, settings
from configs.world.plan import PlanName
from tests.api.world import PREFECTURES, Door
from tests.clients import People, Person, sign_in
from tests.factories import EMAIL, add_user

if TYPE_CHECKING:
    from configs.ground.object_store import Blobs
    from tests.api.payments.shop import Shop
    from tests.api.payments.till import Till
    from tests.sandbox_controls import StripeControl

_KEPT_APPS = 6  # tests of a few environments take turns: with Stripe's stand-in and without, with the others and without
_ENVIRONMENT = {"PREFECTURES_DIR": PREFECTURES, "FRONTEND_URL": "https://front.example"}


@pytest.fixture(autouse=True)
def door(monkeypatch: pytest.MonkeyPatch) -> Door:
    """Listen at the front door: what waits behind it has tests of its own."""
    calls = Door([], [])
    monkeypatch.setattr(notifier, "ask_deliver", calls.nudged.extend)
    monkeypatch.setattr(notifier, "deliver_here", calls.nudged.extend)
    monkeypatch.setattr(notifier, "ask_catch_up", calls.caught_up.append)
    return calls


@pytest.fixture
def make_app(redis_server: redis.Redis, settings_env: Callable[..., None], door: Door) -> Callable[[], Flask]:
    """Make an app on whatever the environment says."""

    def make() -> Flask:
        settings_env(**_ENVIRONMENT)
        return _make()

    return make


def _make() -> Flask:
    made = create_app()
    made.testing = False  # errors are answered, as in life
    made.jinja_env.bytecode_cache = FileSystemBytecodeCache(
        os.environ["TEST_TEMPLATES"]
    )  # of all apps and workers
    return made


@pytest.fixture(scope="session")
def kept_apps() -> list[tuple[Settings, Flask]]:
    """Hold the worker's apps, the one that was used last first, each beside the settings that it was made from."""
    return []


@pytest.fixture
def app(
    database: str,
    redis_server: redis.Redis,
    settings_env: Callable[..., None],
    door: Door,
    kept_apps: list[tuple[Settings, Flask]],
) -> Flask:
    """Give the app of an earlier test with the same environment: to make one takes longer than most tests."""
    settings_env(**_ENVIRONMENT)
    return _find_app(kept_apps)


def _find_app(kept: list[tuple[Settings, Flask]]) -> Flask:
    found = next((each for each in kept if each[0] == settings()), None) or (settings(), _make())
    kept[:] = [found, *(each for each in kept if each is not found)][:_KEPT_APPS]
    set_up_logs("api")
    return found[1]


@pytest.fixture
def bare(
    redis_server: redis.Redis,
    settings_env: Callable[..., None],
    door: Door,
    kept_apps: list[tuple[Settings, Flask]],
) -> FlaskClient:
    """Give an app without a database: what is asked here must not need one."""
    settings_env(**_ENVIRONMENT)
    return _find_app(kept_apps).test_client()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def person(app: Flask) -> People:
    """Make a user who is signed in: `person("camille@example.org", plan=PlanName.URGENCE_24H)`.

    `confirmed`: the address is; without that a login changes nothing. With a plan, checks prove all desks.
    """

    def make(email: str = EMAIL, plan: PlanName | None = None, *, confirmed: bool = True) -> Person:
        made = sign_in(app, add_user(email, confirmed=confirmed).id)
        if plan:
            made.holds(plan)
        return made

    return make


@pytest.fixture
def camille(request: pytest.FixtureRequest, frozen: time_machine.Traveller, person: People) -> Person:
    """Give a user who holds the plan that the test's module names as PLAN, if it names one."""
    return person(plan=getattr(request.module, "PLAN", None))


@pytest.fixture
def shop(
    frozen: time_machine.Traveller, stripe_stand_in: "StripeControl", client: FlaskClient, door: Door
) -> Iterator["Shop"]:
    """Give a shop that Stripe's own library serves; where all was heard, the book ends with the cash of Stripe's."""
    from tests.api.payments.shop import Shop, check_book

    yield Shop(stripe_stand_in, client, door, frozen)
    check_book(stripe_stand_in)


@pytest.fixture
def till(shop: "Shop", camille: Person) -> "Till":
    """Give the shop's till, before which Camille stands."""
    from tests.api.payments.till import Till

    return Till(shop, camille)


@pytest.fixture
def blobs(client: FlaskClient, settings_env: Callable[..., None], tmp_path: Path) -> "Blobs":
    """Give the store of exports, empty."""
    from configs.ground.object_store import export_blobs

    settings_env(EXPORTS_URL=tmp_path / "exports")
    return export_blobs()


@pytest.fixture
def workers(redis_server: redis.Redis) -> SimpleWorker:
    """Let a worker listen to each queue of messages."""
    worker = SimpleWorker([Queue(each, connection=redis_server) for each in QUEUES], connection=redis_server)
    worker.register_birth()  # type: ignore[no-untyped-call]  # RQ has no types here
    return worker
