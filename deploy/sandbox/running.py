"""The sandbox for tests: everything in a thread of its own on free ports, controlled by plain calls."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from deploy.sandbox.control_client import SandboxControl
from deploy.sandbox.providers.telegram_chat import Chat
from deploy.sandbox.server import Ports, Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from deploy.sandbox.outbox import Message

T = TypeVar("T")
_START_SECONDS = 60.0


class Running(SandboxControl):
    """A started sandbox of this process. Every method may be called from any thread; errors are ``Refusal``."""

    def __init__(self, sandbox: Sandbox, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(sandbox.ports.sites, sandbox.ports.inbox)
        self._sandbox = sandbox
        self._loop = loop
        self.stopped = asyncio.Event()
        urls = {name: sandbox.provider_url(name) for name in sandbox.providers}
        self.sendgrid, self.twilio, self.twilio_calls = urls["sendgrid"], urls["twilio"], urls["twilio_calls"]
        self.telegram = urls["telegram"]  # `/bot<token>/sendMessage` comes after it
        self.push = urls["web_push"]  # which SANDBOX_HOSTS maps `push.sandbox.test` to
        self.stripe = urls["stripe"]
        self.sentry_dsn = f"{urls['sentry'].replace('//', '//sandbox@')}/1"
        self.smtp = urls["smtp"].replace("//", "//sandbox:sandbox-password@")

    def stop(self) -> None:
        """Ask the sandbox to end; ``running`` does it and waits."""
        self._loop.call_soon_threadsafe(self.stopped.set)

    def reset(self) -> None:
        """Bring every stand-in back to its start, without a call."""
        asyncio.run_coroutine_threadsafe(self._sandbox.reset(), self._loop).result(_START_SECONDS)

    def list_stand_ins(self, names: Iterable[str]) -> str:
        """Return these providers with their addresses here, as STAND_INS takes them."""
        return ",".join(f"{name}={getattr(self, name)}" for name in names)

    def messages(self, channel: str | None = None) -> list[Message]:
        """Return what the providers accepted, oldest first; of "email", "sms", "telegram" or of all."""
        return self._do(lambda: self._sandbox.outbox.messages(channel))

    def subscribe_push(self, sender: str = "", subscription_id: str = "") -> dict[str, Any]:
        """Let a browser subscribe to push for a sender's public key; return what ``toJSON()`` has."""
        return self._do(lambda: self._sandbox.push.subscribe(sender, subscription_id))

    def error_reports(self) -> list[dict[str, Any]]:
        """Return the error reports that Sentry took, the oldest first."""
        return self._do(lambda: list(self._sandbox.sentry.reports))

    def press_start(self, code: str, chat: int, name: str) -> dict[str, object]:
        """Let a person press Start in a chat behind a link with this code; return the update that the bot gets."""
        return self.write_to_bot(f"/start {code}", Chat(chat, name))

    def press_data(self, message: Message, data: str) -> str:
        """Let a person press what sends this data below a message, in its chat; return the press."""
        return self._do(lambda: self._sandbox.telegram.press(message, data))

    def answer_to(self, press: str) -> dict[str, object] | None:
        """Return what the bot answered to a press; None as long as it has not."""
        return self._do(lambda: self._sandbox.telegram.answer_to(press))

    def write_to_bot(self, text: str, chat: Chat) -> dict[str, object]:
        """Let a person write to the bot; return the update that it gets."""
        return self._do(lambda: self._sandbox.telegram.say(text, chat))

    def bot_commands(self, language: str = "", scope: str = "all_private_chats") -> list[dict[str, str]]:
        """Return the commands that the bot registered in a language."""
        return self._do(lambda: self._sandbox.telegram.commands.get((scope, language), []))

    def send_receipts(self, hooks: str, secret: str) -> None:
        """Have SendGrid and Twilio send receipts to webhooks below this address, as ``…/api/hooks``."""
        self._do(lambda: self._sandbox.send_receipts(hooks, secret))

    def answer_sms(self, number: str, said: str) -> None:
        """Let a person answer an SMS."""
        self._do(lambda: self._sandbox.twilio.answer(number, said))

    def _do(self, act: Callable[[], T]) -> T:
        # The stand-ins live in one thread: their state is only touched there.
        async def carry_out() -> T:
            return act()

        return asyncio.run_coroutine_threadsafe(carry_out(), self._loop).result(_START_SECONDS)


@contextmanager
def running(*, any_form: bool = False) -> Iterator[Running]:
    """Start every stand-in on free ports in a thread of its own; stop them and the thread at the end.

    Args:
        any_form: let every site have a form of whatever number it is asked for.
    """
    ready: Future[Running] = Future()
    sandbox = Sandbox(Ports(), any_form=any_form)
    thread = threading.Thread(target=_run, args=(sandbox, ready), name="sandbox")
    thread.start()
    started = ready.result()
    try:
        yield started
    finally:
        started.stop()
        thread.join()


def _run(sandbox: Sandbox, ready: Future[Running]) -> None:
    async def live() -> None:
        async with sandbox:
            started = Running(sandbox, asyncio.get_running_loop())
            ready.set_result(started)
            await started.stopped.wait()

    try:
        asyncio.run(live())
    except Exception as error:
        if ready.done():
            raise
        ready.set_exception(error)
