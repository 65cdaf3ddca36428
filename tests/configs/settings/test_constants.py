"""Constants of the product: only tests and the sandbox change them, by TEST_PERIODS."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest

from api.payments.client import STRIPE_ANSWER_SECONDS, STRIPE_CONNECT_SECONDS, STRIPE_REST_SECONDS
from api.payments.event_store import STRIPE_LEASE_SECONDS
from configs.ground.circuit_breaker import PROVIDER_REST_SECONDS
from configs.settings import SettingsRefused, load
from configs.settings.constants import Constant
from crawler.keeper import SILENT_SECONDS
from crawler.spider_processes.registry import RENEWED_SECONDS, SPEAKS_SECONDS
from notifier.channels.provider_base import PROVIDER_TIMEOUT_SECONDS
from notifier.channels.providers.web_push import PUSH_TIMEOUT_SECONDS
from notifier.delivery.retry_policy import LEASE_SECONDS

Put = Callable[..., None]


@pytest.mark.parametrize(
    ("value", "changed", "expected"),
    [
        (1.0, 0.2, 0.2),
        (64, 3, 3),
        (timedelta(days=90), 60, timedelta(minutes=1)),
        ((15.0, 120.0), [0.5, 4], (0.5, 4)),
    ],
)
def test_tests_change_it(bare: Put, value: float, changed: object, expected: object) -> None:
    bare(APP_ENV="test", TEST_PERIODS=json.dumps({"SWEEP_SECONDS": changed}))
    assert Constant("SWEEP_SECONDS", value)() == expected


@pytest.mark.parametrize("world", ["production", "development"])
def test_no_real_program_starts_with_changed_constants(
    bare: Put, monkeypatch: pytest.MonkeyPatch, world: str
) -> None:
    bare(APP_ENV=world)
    monkeypatch.setenv("TEST_PERIODS", '{"SWEEP_SECONDS": 1}')
    with pytest.raises(SettingsRefused, match="TEST_PERIODS works only with APP_ENV=sandbox"):
        load()


@pytest.mark.parametrize("text", ["soon", "[1]", '{"SWEEP_SECONDS": "soon"}'])
def test_what_is_no_map_of_numbers_is_refused(bare: Put, text: str) -> None:
    bare(APP_ENV="test", TEST_PERIODS=text)
    with pytest.raises(SettingsRefused, match="TEST_PERIODS"):
        load()


def test_a_lease_outlives_the_wait_for_a_provider(bare: Put) -> None:
    # otherwise a second worker would send what the first still waits for
    assert LEASE_SECONDS() > max(PROVIDER_TIMEOUT_SECONDS(), PUSH_TIMEOUT_SECONDS())


def test_a_rest_is_longer_than_a_call(bare: Put) -> None:
    # otherwise two probes would go out at once
    assert PROVIDER_REST_SECONDS() > PROVIDER_TIMEOUT_SECONDS()
    assert STRIPE_REST_SECONDS() > STRIPE_CONNECT_SECONDS() + STRIPE_ANSWER_SECONDS()


def test_the_lease_of_an_event_outlives_a_call_of_stripe(bare: Put) -> None:
    # otherwise a second worker would read again
    assert STRIPE_LEASE_SECONDS() > STRIPE_CONNECT_SECONDS() + STRIPE_ANSWER_SECONDS()


def test_a_spider_speaks_often_enough_not_to_be_killed(bare: Put) -> None:
    assert RENEWED_SECONDS() * 2 < SPEAKS_SECONDS() <= SILENT_SECONDS()
