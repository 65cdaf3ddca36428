"""The restarter of a stack's servers stops before the stack is ended."""

import threading
from types import SimpleNamespace
from typing import Any

from deploy.chaos.server_restarter import looking_after


def test_a_server_that_ends_is_revived_until_the_block_is_left() -> None:
    revived = threading.Event()
    server = SimpleNamespace(name="Redis", revive=revived.set)
    stack: Any = SimpleNamespace(servers=[server], supervisor=SimpleNamespace(poll=lambda: None))
    with looking_after(stack):
        assert revived.wait(60)
    assert "restarter" not in {each.name for each in threading.enumerate()}
