"""Reads the providers' inbox while a stack runs: every message that any of them accepted, as it comes."""

import threading
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from api.models.user import Channel
from deploy.sandbox.control_client import ask
from tests.lab.chaos.subscribers import SHOPPERS

_EVERY = 0.2  # seconds between two looks


@dataclass(frozen=True)
class InboxMessage:
    """One message that a provider accepted; `notifications` are our own ids that travelled with it."""

    number: int
    channel: Channel
    address: str
    received_at: datetime
    notifications: frozenset[str]
    provider: str = ""
    subject: str = ""
    text: str = ""


class InboxReader:
    """Follows the inbox on a thread of its own, from the first message on."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/api/messages"
        self._messages: dict[int, InboxMessage] = {}
        self._mails: list[InboxMessage] = []
        self._reached: dict[Channel, set[str]] = defaultdict(set)
        self._received: dict[str, list[datetime]] = defaultdict(list)
        self._lock = threading.Lock()
        threading.Thread(target=self._follow, name="inbox", daemon=True).start()

    def messages(self) -> list[InboxMessage]:
        """Return the slot alerts that have come so far, in their order; without those of shoppers."""
        with self._lock:
            return [self._messages[number] for number in sorted(self._messages)]

    def mails(self) -> list[InboxMessage]:
        """Return what has come for shoppers so far."""
        with self._lock:
            return list(self._mails)

    def list_reached(self, channel: Channel) -> set[str]:
        """Return the addresses of a channel that got anything so far."""
        with self._lock:
            return set(self._reached[channel])

    def received(self, notification: str) -> tuple[datetime, ...]:
        """Return when messages of a notification of any kind came."""
        with self._lock:
            return tuple(self._received.get(notification, ()))

    def _follow(self) -> None:
        last, known = 0, set[int]()
        while True:
            with suppress(OSError):
                for shown in ask(f"{self._url}?after={last}"):
                    last = shown["change"]
                    if shown["number"] not in known:  # else it was edited
                        known.add(shown["number"])
                        self._keep(shown)
            time.sleep(_EVERY)

    def _keep(self, shown: dict[str, Any]) -> None:
        number, at = int(shown["number"]), datetime.fromisoformat(shown["received_at"])
        ids, words = _ids(shown["custom"]), (shown["provider"], shown["subject"] or "", shown["text"])
        message = InboxMessage(number, Channel(shown["channel"]), shown["to"], at, ids, *words)
        with self._lock:
            for notification in message.notifications:
                self._received[notification].append(message.received_at)
            self._reached[message.channel].add(message.address)
            if message.address.endswith(SHOPPERS):
                self._mails.append(message)
            # When its page was read: only a slot alert says that.
            elif message.channel not in (Channel.VOICE, Channel.PUSH) and shown["seen_at"]:
                self._messages[number] = message


def _ids(custom: dict[str, str]) -> frozenset[str]:
    """Return our ids of a message: one, or all of several that left as one."""
    listed = custom.get("notification_ids") or custom.get("notification_id", "")
    return frozenset(filter(None, listed.split(",")))
