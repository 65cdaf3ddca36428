"""Controls of a sandbox's stand-ins, as tests and the lab use them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from deploy.sandbox.addresses import INBOX, url
from deploy.sandbox.clock import PARIS, now
from deploy.sandbox.control_client import ask
from deploy.sandbox.platforms import stand_ins
from deploy.sandbox.sites.site import SeenRequest
from deploy.sandbox.stripe.webhooks import sign_headers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class SandboxControl:
    """The controls of a sandbox's sites and providers, by its ports. A call that one refuses raises ``Refusal``."""

    def __init__(self, sites: int, inbox: int) -> None:
        self._sites = sites
        self.inbox = url(INBOX, inbox)  # base URL of the inbox page

    def site(self, code: str | int) -> str:
        """Return the base URL of the booking site of a code, as ``http://127.77.0.91:40123``."""
        return url(stand_ins()[str(code)][1].host, self._sites)

    def open_slots(
        self,
        code: str | int,
        form: int,
        at: Iterable[datetime] | None = None,
        planning: int | None = None,
        count: int | None = None,
    ) -> list[datetime]:
        """Open the aware instants ``at``, or ``count`` (1) of our choice; return them in Paris time.

        ``planning`` is the form's first one when it is not given.
        """
        return self._act_on_slots(code, "open", at, form=form, planning=planning, count=count)

    def take_slots(
        self,
        code: str | int,
        form: int,
        at: Iterable[datetime] | None = None,
        planning: int | None = None,
    ) -> list[datetime]:
        """Take the instants ``at``, all when it is None, from one planning or all of the form's."""
        return self._act_on_slots(code, "take", at, form=form, planning=planning)

    def mode(
        self,
        code: str | int,
        mode: str,
        *,
        form: int | None = None,
        count: int | None = None,
        **parameters: float | str,
    ) -> None:
        """Set how a site, or one of its forms, answers; ``count`` requests long, or for good."""
        ask(f"{self._controls(code)}/mode", {"mode": mode, "form": form, "count": count, **parameters})

    def robots(self, code: str | int, text: str = "", status: int = 200) -> None:
        """Let a site show this robots.txt."""
        ask(f"{self._controls(code)}/robots", {"text": text, "status": status})

    def requests(self, code: str | int) -> list[SeenRequest]:
        """Return what a site was asked since its start or reset, oldest first."""
        return [SeenRequest(**each) for each in ask(f"{self._controls(code)}/requests")]

    def reservations(self, code: str | int) -> int:
        """Return how often somebody called step 5 of a site, which reserves: must stay 0."""
        return int(ask(self._controls(code))["counters"]["reservations"])

    def provider_mode(
        self, name: str, mode: str, *, count: int | None = None, **parameters: float | str
    ) -> None:
        """Set how a provider, or all of a channel, answers; ``count`` calls long, or for good."""
        ask(f"{self.inbox}/api/providers/{name}/mode", {"mode": mode, "count": count, **parameters})

    def receipt_mode(self, name: str, mode: str, **parameters: float | str) -> None:
        """Set what the receipts of "sendgrid", "twilio" or "twilio_calls" say, and how they travel (RECEIPT_MODES)."""
        ask(f"{self.inbox}/api/providers/{name}/receipts", {"mode": mode, **parameters})

    def provider_calls(self, name: str) -> int:
        """Return how many calls a provider, or all of a channel, met since the start or a reset."""
        known = ask(f"{self.inbox}/api/state")["providers"]
        return sum(each["calls"] for each in known if name in (each["provider"], each["channel"]))

    def call_answers(self, mode: str) -> None:
        """Set who or what answers calls from now on (CALL_ANSWERS)."""
        ask(f"{self.inbox}/api/calls/answers", {"mode": mode})

    def reset(self) -> None:
        """Bring every stand-in back to its start: nothing open, nothing kept, all modes normal."""
        ask(f"{self.inbox}/api/reset", {})

    def _controls(self, code: str | int) -> str:
        return f"{self.inbox}/api/sites/{code}"

    def _act_on_slots(
        self, code: str | int, act: str, at: Iterable[datetime] | None, **fields: int | None
    ) -> list[datetime]:
        told = None if at is None else [moment.isoformat() for moment in at]
        slots = ask(f"{self._controls(code)}/{act}", {**fields, "at": told})["slots"]
        return [datetime.fromisoformat(slot).astimezone(PARIS) for slot in slots]


@dataclass(frozen=True)
class Delivery:
    """One event as it is posted to a webhook: ``headers`` carry the signature of ``body``."""

    id: str
    type: str
    body: bytes
    headers: dict[str, str]


class StripeControl:
    """The controls of Stripe's stand-in at ``url``: the functions of ``deploy/sandbox/stripe/controls.py``."""

    def __init__(self, url: str) -> None:
        self.url = url

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Return the control of a name."""
        return partial(self._call, name)

    def mode(self, mode: str, **parameters: float | str) -> None:
        """Set how calls of the API are answered; ``count`` calls long, only under a ``path``."""
        ask(f"{self.url}/_control/mode", {"mode": mode, **parameters})

    def take_deliveries(self) -> list[Delivery]:
        """Return what waits, signed now, and count it as delivered."""
        return [
            Delivery(**(each | {"body": each["body"].encode()})) for each in self._call("take_deliveries")
        ]

    def sign(self, body: bytes, at: int | None = None, secret: str | None = None) -> dict[str, str]:
        """Return the headers of any body, signed at unix seconds ``at`` (now), with all secrets or another."""
        secrets = [secret] if secret else self._call("state")["webhook"]["secrets"]
        return sign_headers(body, secrets, int(now().timestamp()) if at is None else at)

    def _call(self, name: str, *args: object, **fields: object) -> Any:
        return ask(f"{self.url}/_control/{name}", {"args": args, **fields})
