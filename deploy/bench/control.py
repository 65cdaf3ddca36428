"""Moving the sandbox's sites by their control API while a stack runs."""

import json
import urllib.request
from typing import Any

from deploy.local.stack import Stack

CODE, FORM = "91", 23014


def open_slot(stack: Stack) -> None:
    """Open one slot on the desk that Camille waits for."""
    _control(stack, "open", {"form": FORM, "count": 1})


def take_all(stack: Stack) -> None:
    """Take every slot of that desk."""
    _control(stack, "take", {"form": FORM})


def _control(stack: Stack, act: str, body: dict[str, Any]) -> None:
    address = f"http://127.77.0.{CODE}:{stack.ports.sites}/_control/{act}"
    request = urllib.request.Request(address, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 -- as above
        answer.read()
