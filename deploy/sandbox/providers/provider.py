"""Base classes of the providers' stand-ins: failure modes and acceptance."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from deploy.sandbox.listener import reset_connection
from deploy.sandbox.modes import Mode, Modes, Parameters, Table
from deploy.sandbox.providers.receipts import ReceiptSender
from deploy.sandbox.request_body import refusals

if TYPE_CHECKING:
    from collections.abc import Callable

    from deploy.sandbox.listener import Listener
    from deploy.sandbox.outbox import Message, Outbox, OutboxDraft

_LARGEST: Final = 32 * 1024**2  # bytes; SendGrid takes 30 MB

# refuse closes the port, its control API included (the inbox's stays). reset ends the connection.
# yes_without_answer accepts and never answers, error_500_after accepts and answers 500; timeout does neither; slow
# answers after ``seconds``; reject_address refuses a call to one of its addresses (with commas between them), and names
# them unless ``named`` is 0.
_MODES: Final[dict[str, Parameters]] = {
    "normal": {},
    "rate_limited": {"seconds": 5},
    "error_500": {},
    "timeout": {},
    "slow": {"seconds": 2},
    "unauthorized": {},
    "refuse": {},
    "reset": {},
}
MESSAGE_MODES: Final = _MODES | {
    "yes_without_answer": {}, "error_500_after": {}, "reject_address": {"address": "", "named": 1}
}  # fmt: skip
_FAILURES: Final = ("rate_limited", "error_500", "unauthorized", "forbidden", "locked")


class RequestRefused(Exception):
    """A call that the provider refuses, with the answer in the provider's own shape."""

    def __init__(self, answer: web.Response) -> None:
        super().__init__(answer.text)
        self.answer = answer


@dataclass(frozen=True)
class Accepted:
    """What a valid call makes: the messages, the provider's id for them, and its answer.

    ``edits`` is the message that the only draft takes the place of.
    """

    drafts: list[OutboxDraft]
    provider_id: str
    answer: web.Response
    edits: Message | None = None


class Provider:
    """A provider's stand-in: what it is called, its failure modes, and where it listens."""

    channel: str
    provider_name: str
    host: str  # its address
    mode_table: Table = _MODES

    def __init__(self) -> None:
        self.modes = Modes()
        self.calls = 0
        self.listener: Listener | None = None
        self.url = ""  # the base URL, once its port is known

    async def set_mode(self, mode: Mode) -> None:
        """Set how it answers from now on."""
        self.modes.set(mode)
        if self.listener:
            await (self.listener.close() if mode.name == "refuse" else self.listener.open())

    async def reset(self) -> None:
        """Answer normally again."""
        await self.set_mode(Mode())
        self.modes = Modes()
        self.calls = 0

    def to_json(self) -> dict[str, object]:
        """Return its state as JSON shows it."""
        named = {"channel": self.channel, "provider": self.provider_name}
        return {**named, **self.modes.site.to_json(), "calls": self.calls, "messages": 0}

    def make_app(self) -> web.Application:
        """Build the application of one whose API is HTTP."""
        app = web.Application(middlewares=[refusals], client_max_size=_LARGEST)
        self.add_own_routes(app)
        return app

    def add_own_routes(self, app: web.Application) -> None:
        """Add the provider's API."""

    def fail(self, mode: str, seconds: int) -> web.Response:
        """Answer as in a mode, rate_limited (try again in ``seconds``), error_500 or unauthorized, in its own shape."""
        raise NotImplementedError

    async def misbehave(self, request: web.Request, mode: Mode) -> web.Response | None:
        """Do what the mode says before a call is read; None: read it."""
        self.calls += 1
        if mode.name in {"refuse", "reset"}:
            reset_connection(request)
            return web.Response()
        if mode.name == "timeout":
            await asyncio.Event().wait()
        if mode.name == "slow":
            await asyncio.sleep(mode.number("seconds"))
        seconds = int(mode.number("seconds")) if mode.name == "rate_limited" else 0
        return self.fail(mode.name, seconds) if mode.name in _FAILURES else None


class MessageProvider(Provider, ABC):
    """A provider of messages; a subclass reads calls and gives refusals in the provider's shape."""

    mode_table = MESSAGE_MODES

    def __init__(self, outbox: Outbox) -> None:
        super().__init__()
        self.outbox = outbox
        self.receipts = ReceiptSender()

    def make_app(self) -> web.Application:
        """Build the application, which ends receipts under way when it ends."""
        app = super().make_app()
        app.on_cleanup.append(lambda _: self.receipts.reset())
        return app

    @abstractmethod
    async def read_call(self, request: web.Request) -> Accepted:
        """Read a call; raises RequestRefused for one that the real provider would refuse."""

    @abstractmethod
    def reject(self, drafts: list[OutboxDraft], *, named: bool) -> web.Response:
        """Answer that these recipients cannot be reached; which they are only where they are ``named``."""

    def send_receipts(self, request: web.Request, accepted: Accepted) -> None:
        """Send what the provider says later of the messages of a call; by default nothing."""

    async def call(self, request: web.Request) -> web.StreamResponse:
        """Answer one call of the provider's API in the mode of the moment."""
        mode = self.modes.met_by()
        if failed := await self.misbehave(request, mode):
            return failed
        try:
            accepted = await self.read_call(request)
            self._reject(mode, accepted.drafts)
        except RequestRefused as refused:
            return refused.answer
        self.keep(accepted)
        self.send_receipts(request, accepted)
        if mode.name == "yes_without_answer":
            await asyncio.Event().wait()
        return self.fail("error_500", 0) if mode.name == "error_500_after" else accepted.answer

    def keep(self, accepted: Accepted) -> None:
        """Keep the messages of a call."""
        for draft in accepted.drafts:
            if accepted.edits:
                self.outbox.edit(accepted.edits, draft)
            else:
                self.outbox.accept(self.channel, accepted.provider_id, draft, self.provider_name)

    def _reject(self, mode: Mode, drafts: list[OutboxDraft]) -> None:
        if mode.name != "reject_address":
            return
        wrong = {address.strip().casefold() for address in mode.word("address").split(",")}
        if refused := [draft for draft in drafts if draft.to.casefold() in wrong]:
            raise RequestRefused(self.reject(refused, named=bool(mode.number("named"))))

    async def reset(self) -> None:
        """Forget its messages and answer normally again."""
        await super().reset()
        await self.receipts.reset()
        self.outbox.clear(self.channel)

    def to_json(self) -> dict[str, object]:
        """Return its state as JSON shows it."""
        return {**super().to_json(), "messages": len(self.outbox.messages(self.channel))}


def read_told(header: Callable[[str], object]) -> dict[str, Any]:
    """Return when the page was read, and the sender's own ids, which channels without metadata carry in headers."""
    names = ("notification_id", "notification_ids")
    told = {name: str(header(f"X-{name.replace('_', '-')}") or "").replace(" ", "") for name in names}
    seen = seen_at(str(header("X-Seen-At") or ""))
    return {"seen_at": seen, "custom": {name: each for name, each in told.items() if each}}


def seen_at(told: str | None) -> datetime | None:
    """Read when the page was read: ISO 8601 with offset. A call that says it otherwise ends in an error."""
    return datetime.fromisoformat(told).astimezone(UTC) if told else None
