"""The sandbox for tests: everything in a thread of its own on free ports, controlled by plain calls."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from deploy.sandbox.clock import PARIS
from deploy.sandbox.modes import make_mode
from deploy.sandbox.providers.phone_call import CALL_ANSWERS
from deploy.sandbox.providers.telegram_control import find_data
from deploy.sandbox.providers.telegram_people import Chat
from deploy.sandbox.receipts.sender import RECEIPT_MODES
from deploy.sandbox.server import Ports, Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Iterator

    from deploy.sandbox.outbox import Message
    from deploy.sandbox.providers.telegram_presses import PressAnswer
    from deploy.sandbox.sites.site import SeenRequest, Site

T = TypeVar("T")
Code = str | int
_START_SECONDS = 60.0


class Running:
    """A started sandbox. Every method may be called from any thread; errors are ``Refusal``."""

    def __init__(self, sandbox: Sandbox, loop: asyncio.AbstractEventLoop) -> None:
        self._sandbox = sandbox
        self._loop = loop
        self.stopped = asyncio.Event()

    def stop(self) -> None:
        """Ask the sandbox to end; ``running`` does it and waits."""
        self._loop.call_soon_threadsafe(self.stopped.set)

    def list_stand_ins(self, names: Iterable[str]) -> str:
        """Return these providers with their addresses here, as STAND_INS takes them."""
        return ",".join(f"{name}={getattr(self, name)}" for name in names)

    def site(self, code: Code) -> str:
        """Return the base URL of the booking site of a code, as ``http://127.77.0.91:40123``."""
        return self._sandbox.site_url(str(code))

    def open_slots(
        self,
        code: Code,
        form: int,
        at: Iterable[datetime] | None = None,
        planning: int | None = None,
        count: int | None = None,
    ) -> list[datetime]:
        """Open the aware instants ``at``, or ``count`` (1) of our choice; return them in Paris time.

        ``planning`` is the form's first one when it is not given.
        """

        def act(site: Site) -> list[int]:
            where = site.agenda.planning(site.agenda.form(form), planning)
            if at is None:
                return site.agenda.open_some(where, count or 1)
            return site.agenda.open_at(where, [int(moment.timestamp()) for moment in at])

        return _in_paris(self._on(code, act))

    def take_slots(
        self, code: Code, form: int, at: Iterable[datetime] | None = None, planning: int | None = None
    ) -> list[datetime]:
        """Take the instants ``at``, all when it is None, from one planning or all of the form's."""
        moments = None if at is None else [int(moment.timestamp()) for moment in at]

        def act(site: Site) -> list[int]:
            known = site.agenda.form(form)
            where = known.plannings if planning is None else (site.agenda.planning(known, planning),)
            return sorted(slot for each in where for slot in site.agenda.take(each, moments))

        return _in_paris(self._on(code, act))

    def mode(
        self,
        code: Code,
        mode: str,
        *,
        form: int | None = None,
        count: int | None = None,
        **parameters: float | str,
    ) -> None:
        """Set how a site, or one of its forms, answers; ``count`` requests long, or for good."""
        self._on(code, lambda site: site.set_mode(site.make_mode(mode, parameters, count), form))

    @property
    def sendgrid(self) -> str:
        """Return the base URL for the SendGrid SDK's ``host``."""
        return self._sandbox.provider_url("sendgrid")

    @property
    def twilio(self) -> str:
        """Return the base URL for the Twilio SDK's ``api.base_url``."""
        return self._sandbox.provider_url("twilio")

    @property
    def twilio_calls(self) -> str:
        """Return the base URL of Twilio's Calls resource."""
        return self._sandbox.provider_url("twilio_calls")

    @property
    def telegram(self) -> str:
        """Return the base URL of the Bot API; ``/bot<token>/sendMessage`` comes after it."""
        return self._sandbox.provider_url("telegram")

    @property
    def push(self) -> str:
        """Return the base URL of the push service, which SANDBOX_HOSTS maps ``push.sandbox.test`` to."""
        return self._sandbox.provider_url("web_push")

    def subscribe_push(self, sender: str = "", subscription_id: str = "") -> dict[str, Any]:
        """Let a browser subscribe to push for a sender's public key; return what ``toJSON()`` has."""
        return self._do(lambda: self._sandbox.push.subscribe(sender, subscription_id))

    def end_push(self, subscription_id: str) -> None:
        """Let a browser end its subscription."""
        self._do(lambda: self._sandbox.push.end(subscription_id))

    @property
    def stripe(self) -> str:
        """Return the base URL for the Stripe SDK's ``base_addresses``."""
        return self._sandbox.provider_url("stripe")

    @property
    def sentry_dsn(self) -> str:
        """Return the DSN of Sentry's project."""
        return f"{self._sandbox.provider_url('sentry').replace('//', '//sandbox@')}/1"

    def error_reports(self) -> list[dict[str, Any]]:
        """Return the error reports that Sentry took, the oldest first."""
        return self._do(lambda: list(self._sandbox.sentry.reports))

    @property
    def smtp(self) -> str:
        """Return an SMTP_URL with a login."""
        return self._sandbox.provider_url("smtp").replace("//", "//sandbox:sandbox-password@")

    @property
    def inbox(self) -> str:
        """Return the base URL of the inbox page."""
        return self._sandbox.inbox_url

    def messages(self, channel: str | None = None) -> list[Message]:
        """Return what the providers accepted, oldest first; of "email", "sms", "telegram" or of all."""
        return self._do(lambda: self._sandbox.outbox.messages(channel))

    def provider_mode(
        self, name: str, mode: str, *, count: int | None = None, **parameters: float | str
    ) -> None:
        """Set how a provider, or all of a channel, answers; ``count`` calls long, or for good."""
        found = self._sandbox.find_providers(name)
        modes = [make_mode(mode, parameters, count, table=each.mode_table) for each in found]
        for provider, made in zip(found, modes, strict=True):
            self._await(provider.set_mode(made))

    def press_start(self, code: str, chat: int, name: str, kind: str = "private") -> dict[str, object]:
        """Let a person press Start in a chat behind a link with this code; return the update that the bot gets."""
        return self._do(lambda: self._sandbox.telegram.updates.press_start(code, chat, name, kind))

    def press_button(self, message: Message, button: str, chat: Chat | None = None) -> str:
        """Let a person press the button of this label, or that sends this data, below a message; return the press.

        ``chat``: where it is pressed, by default where the message is.
        """

        def act() -> str:
            sent = {each.data for each in message.draft.buttons if each.data}
            data = button if button in sent else find_data(message, button)
            return self._sandbox.telegram.press(message, data, chat or Chat(int(message.to)))

        return self._do(act)

    def press_data(self, message: Message, data: str, chat: Chat | None = None) -> str:
        """Let a person send data of their own in the name of a button below a message; return the press."""
        return self._do(lambda: self._sandbox.telegram.press(message, data, chat or Chat(int(message.to))))

    def answer_to(self, press: str) -> PressAnswer | None:
        """Return what the bot answered to a press; None as long as it has not."""
        return self._do(lambda: self._sandbox.telegram.presses.find(press))

    def write_to_bot(self, text: str, chat: Chat) -> dict[str, object]:
        """Let a person write to the bot; return the update that it gets."""
        return self._do(lambda: self._sandbox.telegram.say(text, chat))

    def bot_commands(self, language: str = "", scope: str = "all_private_chats") -> list[dict[str, str]]:
        """Return the commands that the bot registered in a language."""
        return self._do(lambda: self._sandbox.telegram.commands.get((scope, language), []))

    def send_receipts(self, hooks: str, secret: str) -> None:
        """Have SendGrid and Twilio send receipts to webhooks below this address, as ``…/api/hooks``."""
        self._do(lambda: self._sandbox.send_receipts(hooks, secret))

    def receipt_mode(self, name: str, mode: str, **parameters: float | str) -> None:
        """Set what the receipts of "sendgrid" or "twilio" say, and how they travel (RECEIPT_MODES)."""
        made = make_mode(mode, parameters, table=RECEIPT_MODES)
        self._do(lambda: setattr(self._sandbox.receipt_senders[name], "mode", made))

    def answer_sms(self, number: str, said: str) -> None:
        """Let a person answer an SMS."""
        self._do(lambda: self._sandbox.twilio.answer(number, said))

    def call_answers(self, mode: str, **parameters: float | str) -> None:
        """Set who or what answers calls from now on (CALL_ANSWERS)."""
        made = make_mode(mode, parameters, table=CALL_ANSWERS)
        self._do(lambda: setattr(self._sandbox.twilio_calls, "answers", made))

    def act_in_call(self, sid: str, action: str) -> None:
        """Let a called person do something: answer, machine, busy, hang_up, or a key."""
        self._do(lambda: self._sandbox.twilio_calls.act(sid, action))

    def provider_calls(self, name: str) -> int:
        """Return how many calls a provider, or all of a channel, met since the start or a reset."""
        return self._do(lambda: sum(each.calls for each in self._sandbox.find_providers(name)))

    def requests(self, code: Code) -> list[SeenRequest]:
        """Return what a site was asked since its start or reset, oldest first, without control calls."""
        return self._on(code, lambda site: [replace(seen) for seen in site.requests])

    def reservations(self, code: Code) -> int:
        """Return how often somebody called step 5 of a site, which reserves: must stay 0."""
        return self._on(code, lambda site: site.counters.reservations)

    def reset(self) -> None:
        """Bring every stand-in back to its start: nothing open, nothing kept, all modes normal."""
        self._await(self._sandbox.reset())

    def _on(self, code: Code, act: Callable[[Site], T]) -> T:
        return self._do(lambda: act(self._sandbox.known_site(str(code))))

    def _await(self, act: Coroutine[None, None, None]) -> None:
        asyncio.run_coroutine_threadsafe(act, self._loop).result(_START_SECONDS)

    def _do(self, act: Callable[[], T]) -> T:
        # The stand-ins live in one thread: their state is only touched there.
        done: Future[T] = Future()

        def carry_out() -> None:
            try:
                done.set_result(act())
            except Exception as error:  # noqa: BLE001 - handed to the caller's thread, whatever it is
                done.set_exception(error)

        self._loop.call_soon_threadsafe(carry_out)
        return done.result(_START_SECONDS)


def _in_paris(slots: Iterable[int]) -> list[datetime]:
    return [datetime.fromtimestamp(slot, PARIS) for slot in slots]


@contextmanager
def running(*, seed: int | None = None, world: bool = False, any_form: bool = False) -> Iterator[Running]:
    """Start every stand-in on free ports in a thread of its own; stop them and the thread at the end.

    Args:
        seed: makes the slots that are opened by number the same each time.
        world: let slots open and go by themselves.
        any_form: let every site have a form of whatever number it is asked for.
    """
    ready: Future[Running] = Future()
    sandbox = Sandbox(Ports(), seed=seed, world=world, any_form=any_form)
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
