"""The sandbox for tests: everything in a thread of its own on free ports, controlled by plain calls."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from deploy.sandbox.server import Ports, Sandbox
from tests.sandbox_controls import SandboxControl

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
        return self.do(lambda sandbox: sandbox.outbox.messages(channel))

    def error_reports(self) -> list[dict[str, Any]]:
        """Return the error reports that Sentry took, the oldest first."""
        return self.do(lambda sandbox: list(sandbox.sentry.reports))

    def do(self, act: Callable[[Sandbox], T]) -> T:
        """Have the sandbox's thread, which alone may touch its state, do something; return what that returns."""

        async def carry_out() -> T:
            return act(self._sandbox)

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
