"""Choice between providers by ten processes at once: one probe for all, no mail twice, back in time."""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from configs.ground.circuit_breaker import FAILURES

if TYPE_CHECKING:
    import redis

    from deploy.sandbox.running import Running

_PROCESSES, _SECONDS, _AWAY, _REST = 10, 10.0, 6.0, 2.0


def _run(sandbox: "Running", mode: str) -> tuple[list[Any], float]:
    """Run them; return all reports, and when the provider was back."""
    with ExitStack() as ended:
        command = [sys.executable, "-m", "tests.notifier.delivery.mail_process", str(_SECONDS)]
        running = [
            ended.enter_context(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
            for _ in range(_PROCESSES)
        ]
        for each in running:
            assert each.stdout
            assert each.stdout.readline() == "ready\n"
        sandbox.provider_mode("sendgrid", mode)
        for each in running:
            assert each.stdin
            each.stdin.write("go\n")
            each.stdin.flush()
        time.sleep(_AWAY)  # the outage: what is tested is that it lasts
        met = sandbox.provider_calls("sendgrid")
        sandbox.provider_mode("sendgrid", "normal")
        back = time.time()
        reports = [row for each in running for row in json.loads(each.communicate()[0])]
    probes = 1 + _AWAY / _REST
    assert met <= _PROCESSES * FAILURES + probes
    return reports, back


@pytest.mark.journey
@pytest.mark.processes
@pytest.mark.parametrize("mode", ["error_500", "yes_without_answer"])
def test_ten_processes_choose_as_one(
    mode: str, sandbox: "Running", redis_server: "redis.Redis", settings_env: Callable[..., None]
) -> None:
    settings_env(
        MAIL_PROVIDERS="sendgrid,smtp",
        PROVIDER_REST_SECONDS=_REST,
        PROVIDER_SWITCH_SECONDS="1",
        PROVIDER_TIMEOUT_SECONDS="1.5",
    )
    reports, back = _run(sandbox, mode)
    copies = Counter(each.custom["notification_id"] for each in sandbox.messages("email"))
    assert len(copies) == len(reports)
    for key, provider, unknown, seconds, at in reports:
        assert provider
        assert seconds < 5
        assert copies[key] <= 1 + unknown
        if at > back + _REST + 1:
            assert provider == "sendgrid"
    assert {each[1] for each in reports} == {"sendgrid", "smtp"}
