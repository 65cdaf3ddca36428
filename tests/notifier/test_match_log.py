"""Log lines of a detection: one id from its match to the receipt of each message, one line per notification."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from api.models.user import Channel
from configs.ground.logs import set_up_logs
from deploy.sandbox.receipts.signatures import make_public_key
from notifier.jobs import apply_receipts
from tests.notifier.receipts_world import SECRET, event_of, send_events
from tests.notifier.world import alert, detection, match, notifications, person

pytestmark = pytest.mark.usefixtures("whole")


@pytest.fixture
def lines(
    whole: Any, settings_env: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> Callable[[], list[dict[str, Any]]]:
    """Log as a worker does in production; the function returns the lines since its last call."""
    settings_env(LOG_FORMAT="json", SENDGRID_WEBHOOK_KEY=make_public_key(SECRET))
    capsys.readouterr()
    set_up_logs("worker-critical")
    return lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_detection_is_followed_from_its_match_to_the_receipts(
    lines: Callable[[], list[dict[str, Any]]],
) -> None:
    for _ in range(2):
        alert(person(channels=[Channel.EMAIL]))
    key = detection()
    match(str(key))
    sent = [row.id for row in notifications()]
    send_events(*map(event_of, sent))
    apply_receipts()
    mine = [line for line in lines() if line.get("detection") == str(key)]
    assert [line["event"] for line in mine] == ["matched", *["sent"] * 2, *["delivered"] * 2]
    assert (mine[0]["alerts"], mine[0]["notifications"]) == (2, 2)
    for event in ("sent", "delivered"):
        assert {line["notification"] for line in mine if line["event"] == event} == set(map(str, sent))
    assert {line["provider"] for line in mine[1:]} == {"sendgrid"}
    assert {line["level"] for line in mine} == {"info"}
    assert "@" not in str(mine)
