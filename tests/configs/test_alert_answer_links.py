from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
import time_machine

from configs.alert_answer_links import read_alert_answer_token, write_alert_answer_token
from configs.signing import LinkRefused, sign


@pytest.fixture(autouse=True)
def _secret(settings_env: Callable[..., None]) -> None:
    settings_env(JWT_SECRET="0123456789abcdef" * 4)


def test_a_token_names_a_message_for_thirty_days(frozen: time_machine.Traveller) -> None:
    message = uuid4()
    token = write_alert_answer_token(message)
    frozen.shift(timedelta(days=30))
    assert read_alert_answer_token(token) == message
    frozen.shift(timedelta(minutes=2))
    with pytest.raises(LinkRefused) as refusal:
        read_alert_answer_token(token)
    assert refusal.value.reason == "expired"


@pytest.mark.parametrize("payload", ["x", 7, None, [], {}])
def test_what_names_no_message_is_forged(payload: object) -> None:
    for scope in ("answer-alert", "stop-alert"):
        with pytest.raises(LinkRefused) as refusal:
            read_alert_answer_token(sign(scope, payload))
        assert refusal.value.reason == "forged"
