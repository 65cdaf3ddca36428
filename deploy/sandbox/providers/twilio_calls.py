"""Twilio's Calls resource: the form it takes, the JSON it answers, and the calls themselves.

https://www.twilio.com/docs/voice/api/call-resource
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
from dataclasses import replace
from email.utils import format_datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from aiohttp import ClientError, ClientSession, ClientTimeout, web

from deploy.sandbox.clock import now
from deploy.sandbox.control_error import Refusal
from deploy.sandbox.modes import Mode
from deploy.sandbox.outbox import Outbox, OutboxDraft
from deploy.sandbox.providers.phone_call import CALL_ANSWERS, PhoneCall, list_actions
from deploy.sandbox.providers.provider import Accepted, RequestRefused, provider_mode, seen_at, told_ids
from deploy.sandbox.providers.twilio_api import TwilioApi, make_error, make_invalid
from deploy.sandbox.receipts.signatures import sign_form
from deploy.sandbox.request_body import read_body, text

if TYPE_CHECKING:
    from collections.abc import Coroutine

_NUMBER: Final = re.compile(r"\+[1-9]\d{6,14}")
_PRICE: Final = 0.0975  # EUR a call
_ENDED: Final = frozenset({"completed", "busy", "no-answer", "failed"})
_CALL: Final = ClientTimeout(total=15)
_TRIES: Final = 5  # of a request that failed, as the addresses ask for
log = logging.getLogger("sandbox")


class TwilioCalls(TwilioApi):
    """Calls: each is answered as ``answers`` says, or by the buttons of the inbox page."""

    channel = "voice"
    provider_name = "twilio_calls"

    def __init__(self, outbox: Outbox) -> None:
        super().__init__(outbox)
        self.answers = Mode("rings", {})
        self.phone_calls: dict[str, PhoneCall] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._client: ClientSession | None = None

    def add_own_routes(self, app: web.Application) -> None:
        """Add the Calls resource."""
        app.router.add_post("/2010-04-01/Accounts/{account}/Calls.json", self.call)
        app.router.add_get("/2010-04-01/Accounts/{account}/Calls/{sid}.json", self._show)
        app.router.add_post("/_control/answers", self.set_answers)

    async def reset(self) -> None:
        """End the calls, and let them ring again."""
        self.answers = Mode("rings", {})
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self.phone_calls.clear()
        if self._client is not None:
            await self._client.close()
            self._client = None
        await super().reset()

    def act(self, sid: str, action: str) -> None:
        """Let a called person do something; a Refusal (404) where there is no such call."""
        if sid not in self.phone_calls:
            raise Refusal(f"no call {sid!r}", status=404)
        self.phone_calls[sid].act(action)

    async def set_answers(self, request: web.Request) -> web.Response:
        """Set who or what answers from now on."""
        self.answers = provider_mode(await read_body(request), CALL_ANSWERS)
        return web.json_response({"channel": self.channel, **self.answers.to_json()})

    async def press(self, request: web.Request) -> web.Response:
        """Let a called person do what the body's ``action`` says."""
        action = text(await read_body(request), "action") or ""
        self.act(request.match_info["sid"], action)
        return web.json_response({"done": action})

    def send_receipts(self, request: web.Request, accepted: Accepted) -> None:
        """Let the phone ring."""
        (draft,) = accepted.drafts
        sid, account, token = accepted.provider_id, request.match_info["account"], self.read_key(request)
        about = {
            "AccountSid": account, "CallSid": sid, "To": draft.to, "From": draft.sender, "Direction": "outbound-api",
            "ApiVersion": "2010-04-01",
        }  # fmt: skip

        async def ask(url: str, form: dict[str, str]) -> str:
            return await self._ask(url, about | form, token)

        made = PhoneCall(
            sid, float(draft.custom["Timeout"]), ask, partial(self._note, token=token, about=about),
            draft.custom["Url"],
        )  # fmt: skip
        self.phone_calls[sid] = made
        mode = self.answers
        for action in list_actions(
            mode.name, str(mode.parameters.get("keys", "")) if mode.name == "person" else ""
        ):
            made.actions.put_nowait(action)
        if mode.name == "nobody":
            made.ring_seconds = 0.0
        self._run(made.run())

    def _note(self, made: PhoneCall, *, token: str, about: dict[str, str]) -> None:
        """Show a call in the inbox as it is now; report its end."""
        message = next(
            (each for each in self.outbox.messages(self.channel) if each.provider_id == made.sid), None
        )
        if message is None:
            return
        said = "\n".join(made.said) or message.text
        custom = message.custom | {"CallStatus": made.status}
        self.outbox.change(message, replace(message.draft, text=said, custom=custom))
        if made.status in _ENDED:
            url = message.custom["StatusCallback"].partition("#")[0]
            form = about | {"CallStatus": made.status, "CallDuration": "0"}
            self.receipts.send(url, urlencode(form).encode, lambda _: sign_form(token, url, form))

    async def _ask(self, address: str, form: dict[str, str], token: str) -> str:
        """Ask the product what to say; nothing where it does not answer, which Twilio ends the call for."""
        url = address.partition("#")[0]
        if self._client is None:
            self._client = ClientSession(timeout=_CALL)
        for wait in range(_TRIES):
            await asyncio.sleep(wait / 5)
            try:
                async with self._client.post(
                    url, data=urlencode(form).encode(), headers=sign_form(token, url, form)
                ) as answer:
                    if answer.status == web.HTTPOk.status_code:
                        return await answer.text()
                    log.warning("what to say: %s", answer.status)
            except (ClientError, TimeoutError) as error:
                log.warning("what to say: %s", type(error).__name__)
        return ""

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _show(self, request: web.Request) -> web.Response:
        """Answer what became of a call: only one that was answered has a price."""
        account, sid = request.match_info["account"], request.match_info["sid"]
        if refusal := self._failing(self.modes.met_by(), request):
            return refusal
        found = next((each for each in self.outbox.messages(self.channel) if each.provider_id == sid), None)
        if found is None:
            return make_error(404, 20404, f"The requested resource {request.path} was not found")
        status = found.custom.get("CallStatus", "queued")
        price = f"{-_PRICE:.4f}" if status == "completed" else None
        form = {"To": found.to, "From": found.draft.sender}
        return web.json_response(
            _resource(account, sid, form) | {"status": status, "price": price, "price_unit": "EUR"}
        )

    async def read_call(self, request: web.Request) -> Accepted:
        """Read a call into its one draft."""
        account = request.match_info["account"]
        self.authenticate(request, account)
        form = {key: str(value) for key, value in (await request.post()).items()}
        _check(form)
        kept = {
            key: form[key] for key in ("Url", "StatusCallback", "Timeout", "TimeLimit", "MachineDetection")
        }
        draft = OutboxDraft(
            to=form["To"],
            text="",
            sender=form["From"],
            seen_at=seen_at(request.headers.get("X-Seen-At")),
            custom=told_ids(request) | kept | {"CallStatus": "ringing"},
        )
        sid = f"CA{secrets.token_hex(16)}"
        return Accepted([draft], sid, web.json_response(_resource(account, sid, form), status=201))


def _check(form: dict[str, str]) -> None:
    if not _NUMBER.fullmatch(form.get("To", "")):
        raise RequestRefused(make_invalid(form.get("To", "")))
    if not _NUMBER.fullmatch(form.get("From", "")):
        raise RequestRefused(
            make_error(400, 21212, f"The 'From' number {form.get('From', '')} is not valid.")
        )
    for name in ("Url", "StatusCallback"):
        if not form.get(name, "").startswith(("http://", "https://")):
            raise RequestRefused(make_error(400, 21205, f"{name} is not a valid URL"))
    form.setdefault("Timeout", "60")
    form.setdefault("TimeLimit", "14400")
    form.setdefault("MachineDetection", "")


def _resource(account: str, sid: str, form: dict[str, str]) -> dict[str, object]:
    moment = format_datetime(now())
    return {
        "account_sid": account,
        "answered_by": None,
        "api_version": "2010-04-01",
        "date_created": moment,
        "date_updated": moment,
        "direction": "outbound-api",
        "duration": None,
        "end_time": None,
        "from": form.get("From"),
        "price": None,
        "price_unit": "USD",
        "sid": sid,
        "start_time": None,
        "status": "queued",
        "to": form["To"],
        "uri": f"/2010-04-01/Accounts/{account}/Calls/{sid}.json",
    }
