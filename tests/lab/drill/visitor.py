"""People who use production through nginx: they register, confirm, order, pay, and wait for slots."""

import json
import re
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

import urllib3

from tests.lab.drill.engine import StepFailed
from tests.lab.drill.server_files import NAME
from tests.sandbox_controls import StripeControl

T = TypeVar("T")
PLAN = "URGENCE_TOTAL"
_INBOX = "http://127.0.0.1:8025/api"
STRIPE = StripeControl("http://127.0.0.1:8850")
_CODE, _FORM = "91", 23014  # the site and the form of the desk that all watch
_WISH = {"prefectureId": "evry-courcouronnes_91", "procedures": ["NATURALISATION"]}
_PASSWORD = "vingt-deux-tramways-bleus"
_STEP = 1.0  # seconds between two looks: the API counts requests
_PATIENCE = (
    420.0  # a desk is due again once the deadline of a check that died is over, a bad release goes back
)
_TRIES = 4  # a 5xx that says when to come back is no failure: docs/operations.md promises no more


@dataclass
class Visitor:
    """A person with an e-mail address, and the authority that the person's browser trusts."""

    authority: Path
    email: str
    token: str = ""
    put_off: int = 0  # answers that asked to come back

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Send a request to /api…; return the answer's JSON; raises as `open` does."""
        return json.loads(self.open(method, f"/api{path}", body) or "null")

    def open(self, method: str, path: str, body: object = None) -> str:
        """Send a request, again where the answer says when to come back; return the answer's text.

        Raises:
            StepFailed: it is refused, or there is no answer.
        """
        for _ in range(_TRIES):
            answer = self._send(method, path, body)
            if answer.status < HTTPStatus.INTERNAL_SERVER_ERROR or "Retry-After" not in answer.headers:
                break
            self.put_off += 1
            time.sleep(float(answer.headers["Retry-After"]))
        text = answer.data.decode("utf-8", "replace")
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise StepFailed(f"{method} {path} answered {answer.status}: {text[:500]}")
        return text

    def _send(self, method: str, path: str, body: object) -> urllib3.BaseHTTPResponse:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        headers |= {"Authorization": f"Bearer {self.token}"} if self.token else {}
        data = json.dumps(body) if body is not None else None
        server = urllib3.HTTPSConnectionPool(
            "127.0.0.1", server_hostname=NAME, assert_hostname=NAME, ca_certs=str(self.authority), timeout=60
        )
        try:
            return server.request(method, path, body=data, headers={"Host": NAME, **headers}, retries=False)
        except urllib3.exceptions.HTTPError as error:
            raise StepFailed(f"{method} {path} got no answer: {error!r}") from None

    def join(self) -> None:
        """Register, confirm the address by the button behind the mail's link, sign in, pay, watch the desk."""
        account = {"email": self.email, "password": _PASSWORD, "plan": PLAN, "language": "fr"}
        self.ask("POST", "/auth/register", account)
        mail = wait_for(lambda: self.read_mails("/l/verify."), "the mail that asks to confirm the address")[0]
        found = re.search(rf"https://{re.escape(NAME)}(/l/verify\.\S+)", mail["text"])
        if not found or "<form" not in self.open("GET", found[1]):
            raise StepFailed(f"no link to a page with a button in: {mail['text'][:500]}")
        self.open("POST", found[1])
        self.sign_in()
        self.buy()
        self.watch()

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
        outlook = f"/prefectures/{_WISH['prefectureId']}/outlook?procedure={_WISH['procedures'][0]}"
        wait_for(lambda: self.ask("GET", outlook)["plans"], "a desk that checks prove")
        order = {"plan": PLAN, "alert": _WISH, "consent": consent}
        page = self.ask("POST", "/billing/checkout", order)["checkoutUrl"]
        paid = STRIPE.pay(page.rpartition("/")[2])
        if paid["error"]:
            raise StepFailed(f"Stripe's page took no payment: {paid['error']}")
        wait_for(lambda: self.ask("GET", "/auth/me")["plan"] == PLAN, "the plan that was paid")

    def watch(self) -> None:
        """Wait until the desk of the ordered alert was checked."""
        wait_for(lambda: self.ask("GET", "/alerts")["items"][0]["lastProvenAt"], "the first proven check")

    def await_alert(self, before: int = 0) -> dict[str, Any]:
        """Wait until more mails about slots have arrived than before; return the newest."""
        mails = wait_for(lambda: self.read_mails("Réserver maintenant")[before:], "the alert of an open slot")
        return mails[-1]

    def read_mails(self, words: str) -> list[dict[str, Any]]:
        """Return this person's mails with these words, oldest first."""
        return [each for each in read_outbox() if each["to"] == self.email and words in each["text"]]

    def open_proof(self) -> None:
        """Open the page that proves the newest detection."""

        def find_proof() -> str:
            newest = self.ask("GET", "/detections?limit=1")["items"][0]
            proof: str = self.ask("GET", f"/detections/{newest['id']}")["proof"] or ""
            return urllib.parse.urlsplit(proof).path

        def read_proof() -> str:
            try:
                return self.open("GET", wait_for(find_proof, "the proof of the detection"))
            except StepFailed:  # it is uploaded later
                return ""

        if "Essonne" not in wait_for(read_proof, "the page of the proof"):
            raise StepFailed("the proof is not the page that was read")


def read_outbox() -> list[dict[str, Any]]:
    """Return every message that a provider took."""
    return list(urllib3.request("GET", f"{_INBOX}/messages").json())


def tell_inbox(path: str, **body: object) -> None:
    """Have the stand-ins do something: `/sites/91/open`, `/providers/sendgrid/mode`."""
    urllib3.request("POST", f"{_INBOX}{path}", json=body)


def open_slot() -> None:
    """Have the site show one more slot."""
    tell_inbox(f"/sites/{_CODE}/open", form=_FORM, count=1)


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
