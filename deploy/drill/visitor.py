"""A person who uses production through nginx: registers, confirms, orders, pays, waits for a slot."""

import json
import re
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

from deploy.drill.production_files import NAME
from deploy.drill.step import StepFailed
from deploy.sandbox.addresses import (
    INBOX,
    INBOX_PORT,
    PROVIDERS_PORT,
    SITES_PORT,
    STRIPE,
    department_host,
    url,
)
from deploy.sandbox.stripe.control_client import StripeControl
from tests.lab.bench.latency import CODE, FORM

T = TypeVar("T")
_PASSWORD = "vingt-deux-tramways-bleus"  # noqa: S105 -- of an account that lives for minutes
_PLAN = "URGENCE_TOTAL"
_WISH = {"prefectureId": "evry-courcouronnes_91", "procedures": ["NATURALISATION"]}
_SITE = url(department_host(CODE), SITES_PORT)
_STEP = 0.5  # seconds between two looks: the API counts requests
_PATIENCE = 120.0


@dataclass
class Visitor:
    """A person with an e-mail address, and the authority that the person's browser trusts."""

    authority: Path
    email: str = "camille@example.org"
    token: str = ""

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Send a request to /api…; return the answer's JSON.

        Raises:
            StepFailed: it is refused, or there is no answer.
        """
        headers = {"Content-Type": "application/json"}
        headers |= {"Authorization": f"Bearer {self.token}"} if self.token else {}
        data = json.dumps(body).encode() if body is not None else None
        text = self._open(urllib.request.Request(f"https://{NAME}/api{path}", data, headers, method=method))
        return json.loads(text or "null")

    def register(self) -> None:
        """Register, and confirm the address by the button behind the mail's link."""
        account = {"email": self.email, "password": _PASSWORD, "plan": _PLAN, "language": "fr"}
        self.ask("POST", "/auth/register", account)
        mail = wait_for(lambda: self.read_mails("/l/verify/"), "the mail that asks to confirm the address")[0]
        found = re.search(rf"https://{re.escape(NAME)}/l/verify/\S+", mail["text"])
        if not found:
            raise StepFailed(f"no link to {NAME} in: {mail['text'][:500]}")
        page = self.open_page(found[0])
        if "<form" not in page:
            raise StepFailed(f"no button behind the link of the mail: {page[:300]}")
        self._open(urllib.request.Request(found[0], b"", method="POST"))  # noqa: S310 -- https, as the pattern says

    def sign_in(self) -> None:
        """Sign in by password."""
        self.token = ""
        self.token = self.ask("POST", "/auth/login", {"email": self.email, "password": _PASSWORD})["token"]

    def buy(self) -> None:
        """Order the plan, pay on Stripe's page, and wait until the plan has begun."""
        consent = {
            "termsVersion": self.ask("GET", "/billing/plans")["termsVersion"],
            "startNow": True,
            "acknowledgesLoss": True,
            "acceptsHourThreshold": False,
        }
        order = {"plan": _PLAN, "withoutAlert": True, "consent": consent}
        page = self.ask("POST", "/billing/checkout", order)["checkoutUrl"]
        paid = StripeControl(url(STRIPE, PROVIDERS_PORT)).pay(page.rpartition("/")[2])
        if paid["error"]:
            raise StepFailed(f"Stripe's page took no payment: {paid['error']}")
        wait_for(lambda: self.ask("GET", "/auth/me")["plan"] == _PLAN, "the plan that was paid")

    def watch(self) -> str:
        """Create an alert, and wait until its desk was checked; return its id."""
        alert: str = self.ask("POST", "/alerts", _WISH)["id"]
        wait_for(lambda: self.ask("GET", f"/alerts/{alert}")["lastProvenAt"], "the first proven check")
        return alert

    def count_alerts(self) -> int:
        """Return how many mails about open slots have arrived."""
        return len(self.read_mails("Réserver maintenant"))

    def wait_alert(self, before: int, seconds: float = _PATIENCE) -> float:
        """Wait until one more mail about a slot has arrived; return the seconds that it took."""
        begun = time.monotonic()
        wait_for(lambda: self.count_alerts() > before, "the alert of an open slot", seconds)
        return time.monotonic() - begun

    def open_proof(self) -> None:
        """Open the proof of the newest detection."""

        def read_proof() -> Any:
            newest = self.ask("GET", "/detections?limit=1")["items"][0]
            return self.ask("GET", f"/detections/{newest['id']}")["proof"]

        proof: str = wait_for(read_proof, "the proof of the detection")
        page = wait_for(lambda: self.try_page(proof), "the page of the proof, which is uploaded later")
        if "Essonne" not in page:
            raise StepFailed("the proof is not the page that was read")

    def try_page(self, address: str) -> str:
        """Open a page that may not be there yet; return its text, none where it is not."""
        try:
            return self.open_page(address)
        except StepFailed:
            return ""

    def read_mails(self, words: str) -> list[dict[str, Any]]:
        """Return this person's mails with these words, oldest first."""
        with urllib.request.urlopen(f"http://{INBOX}:{INBOX_PORT}/api/messages", timeout=10) as answer:
            found: list[dict[str, Any]] = json.loads(answer.read())
        return [
            each
            for each in found
            if (each["channel"], each["to"]) == ("email", self.email) and words in each["text"]
        ]

    def open_page(self, address: str) -> str:
        """Open a page; return its text."""
        return self._open(urllib.request.Request(address))  # noqa: S310 -- https, or the context refuses it

    def _open(self, request: urllib.request.Request) -> str:
        context = ssl.create_default_context(cafile=str(self.authority))
        what = f"{request.get_method()} {urllib.parse.urlsplit(request.full_url).path}"
        try:
            with urllib.request.urlopen(request, timeout=30, context=context) as answer:  # noqa: S310 -- as above
                text: str = answer.read().decode("utf-8", "replace")
        except urllib.error.HTTPError as refusal:
            said = refusal.read().decode("utf-8", "replace")[:500]
            raise StepFailed(f"{what} answered {HTTPStatus(refusal.code)}: {said}") from None
        except OSError as error:
            raise StepFailed(f"{what} got no answer: {error}") from None
        return text


def open_slot() -> None:
    """Have the stand-in of the site show one more slot."""
    body = json.dumps({"form": FORM, "count": 1}).encode()
    request = urllib.request.Request(f"{_SITE}/_control/open", body, {"Content-Type": "application/json"})  # noqa: S310 -- loopback
    with urllib.request.urlopen(request, timeout=10):  # noqa: S310 -- as above
        pass


def wait_for(seen: Callable[[], T], what: str, seconds: float = _PATIENCE) -> T:
    """Return the first true answer.

    Raises:
        StepFailed: there is none in time.
    """
    end = time.monotonic() + seconds
    while not (found := seen()):
        if time.monotonic() > end:
            raise StepFailed(f"{what} did not come within {seconds:g} s")
        time.sleep(_STEP)
    return found
