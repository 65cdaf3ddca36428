"""A whole stack of real processes on a quiet world, started once for a module's tests."""

import json
import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from deploy.local.ports import StackPorts
from deploy.local.processes import free_port
from deploy.local.seed import seed
from deploy.local.stack import ROOT, Stack, running, wait_ready
from tests.conftest import forget
from tests.lab.bench.latency import hasty
from tests.sample_desk_files import only
from tests.waiting import PATIENCE
from tests.whole.visitor import Visitor

# A test that starts real processes, or waits for them: one worker has all of them.
STACK_JOURNEY = [
    pytest.mark.journey, pytest.mark.processes, pytest.mark.xdist_group("stacks"), pytest.mark.timeout(1500),
]  # fmt: skip


def any_ports() -> StackPorts:
    return StackPorts(*(free_port() for _ in range(5)))


def get(url: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
    """Ask our own loopback address for JSON."""
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"null")


def slot_messages(stack: Stack) -> list[dict[str, Any]]:
    """Return the slot alerts in the providers' inbox: what says when its page was read."""
    _, found = get(f"http://127.0.0.1:{stack.ports.inbox}/api/messages")
    return [each for each in found if each["seen_at"]]


def list_refused(stack: Stack) -> list[Any]:
    """Return the commands that Redis refused to a program: a rule that is missing in configs/ground/redis_users.acl."""
    client = redis.Redis.from_url(stack.environment["REDIS_URL"])
    return [(each["username"], each["reason"], each["object"]) for each in client.acl_log()]


def quiet_stack(edit: Callable[[str], str], **variables: str) -> AbstractContextManager[Stack]:
    """Start a whole stack with a world that does nothing by itself, and be one of its programs meanwhile."""
    return quiet_stack_on(any_ports(), edit, variables)


@contextmanager
def quiet_stack_on(
    ports: StackPorts, edit: Callable[[str], str], variables: Mapping[str, str]
) -> Iterator[Stack]:
    """Do so on ports that are known before."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        with (
            tempfile.TemporaryDirectory(prefix="rdv-whole-") as folder,
            running(Path(folder), ports, print, edit=edit) as made,
        ):
            os.environ.update(made.environment)
            forget()
            wait_ready(made, PATIENCE)
            yield made
            assert list_refused(made) == []
    finally:
        os.environ.clear()
        os.environ.update(before)
        forget()


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with quiet_stack(lambda text: only("ezbooking", hasty(text))) as made:
        seed(made)
        yield made


def appoint_admin(one: Visitor) -> list[str]:
    """Make a user who has registered an admin, as docs/operations.md says; return the recovery codes."""
    done = subprocess.run(
        [sys.executable, "-m", "flask", "admin", one.email, "--another"],
        cwd=ROOT, env=one.stack.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    one.sign_in()
    codes = one.enable_second_factor()
    one.sign_in()
    return codes
