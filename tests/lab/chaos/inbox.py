"""Reads the providers' inbox while a stack runs: every message that any of them accepted, as it comes."""

import json
import threading
import urllib.request
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from api.models.user import Channel
from tests.lab.chaos.subscribers import SHOPPERS


@dataclass(frozen=True)
class InboxMessage:
    """One message that a provider accepted; `notifications` are our own ids that travelled with it."""

    number: int
    channel: Channel
    address: str
    received_at: datetime
    notifications: frozenset[str]
    provider: str = ""


@dataclass(frozen=True)
class ShopperMail:
    """One mail to somebody who buys, as it came; `notifications` as above."""

    address: str
    received_at: datetime
    notifications: frozenset[str]
    subject: str
    text: str


class InboxReader:
    """Follows the inbox's stream on a thread of its own, from the first message on."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/events"
        self._messages: dict[int, InboxMessage] = {}
        self._mails: list[ShopperMail] = []
        self._reached: dict[Channel, set[str]] = defaultdict(set)
        self._received: dict[str, list[datetime]] = defaultdict(list)
        self._lock = threading.Lock()
        threading.Thread(target=self._follow, name="inbox", daemon=True).start()

    def messages(self) -> list[InboxMessage]:
        """Return the slot alerts that have come so far, in their order; without those of shoppers."""
        with self._lock:
            return [self._messages[number] for number in sorted(self._messages)]

    def mails(self) -> list[ShopperMail]:
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
        last = 0
        while True:
            try:
                with urllib.request.urlopen(f"{self._url}?after={last}", timeout=60) as stream:
                    event = ""
                    for raw in stream:
                        name, _, value = raw.decode().rstrip("\n").partition(": ")
                        if name == "event":
                            event = value
                        elif name == "data" and event == "message":
                            last = self._keep(json.loads(value))
            except OSError:
                continue  # the stand-ins have ended, or say nothing for a minute

    def _keep(self, shown: dict[str, Any]) -> int:
        number = int(shown["number"])
        message = InboxMessage(
            number,
            Channel(shown["channel"]),
            shown["to"],
            datetime.fromisoformat(shown["received_at"]),
            _ids(shown["custom"]),
            shown["provider"],
        )
        with self._lock:
            for notification in message.notifications:
                self._received[notification].append(message.received_at)
            self._reached[message.channel].add(message.address)
            if message.address.endswith(SHOPPERS):
                text = shown["subject"] or "", shown["text"]
                self._mails.append(
                    ShopperMail(message.address, message.received_at, message.notifications, *text)
                )
            # When its page was read: only a slot alert says that.
            elif message.channel not in (Channel.VOICE, Channel.PUSH) and shown["seen_at"]:
                self._messages[number] = message
        return number


def _ids(custom: dict[str, str]) -> frozenset[str]:
    """Return our ids of a message: one, or all of several that left as one."""
    listed = custom.get("notification_ids") or custom.get("notification_id", "")
    return frozenset(filter(None, listed.split(",")))
