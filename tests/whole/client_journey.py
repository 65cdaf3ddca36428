"""A user of the generated client: its functions and models only. It runs on that client's own Python.

`client_journey.py register|watch|read API EMAIL PASSWORD [TOKEN]`; TOKEN is what the mail's link ends with.
"""

import sys
from collections.abc import Callable
from typing import TypeVar

from rdvpriority_client import AuthenticatedClient, Client
from rdvpriority_client.api.alerts import create_alert, list_alerts
from rdvpriority_client.api.auth import me, register, verify_email
from rdvpriority_client.api.detections import list_detections, show_detection
from rdvpriority_client.api.logins import login
from rdvpriority_client.models import (
    Account,
    AlertAnswer,
    AlertPage,
    Confirmed,
    DetectionDetail,
    DetectionPage,
    LoginBody,
    NewAlert,
    PlanName,
    Procedure,
    Registered,
    Registration,
    SignedIn,
    TokenBody,
)

T = TypeVar("T")


def expect(kind: type[T], answer: object) -> T:
    """Return an answer that must be of a model; a refusal is a Problem, which says what to do."""
    assert isinstance(answer, kind), answer
    return answer


def sign_in(api: str, email: str, password: str) -> AuthenticatedClient:
    """Return a client that sends the token of a new login."""
    answer = login.sync(client=Client(api), body=LoginBody(email=email, password=password))
    return AuthenticatedClient(api, token=expect(SignedIn, answer).token)


def register_account(api: str, email: str, password: str) -> None:
    """Register."""
    body = Registration(email=email, password=password, plan=PlanName.URGENCE_TOTAL)
    expect(Registered, register.sync(client=Client(api), body=body))


def watch(api: str, email: str, password: str, token: str) -> None:
    """Confirm the address and create an alert."""
    confirmed = verify_email.sync(client=Client(api), body=TokenBody(token=token))
    assert expect(Confirmed, confirmed).email == email
    client = sign_in(api, email, password)
    account = expect(Account, me.sync(client=client))
    assert (account.email_verified, account.plan) == (True, PlanName.URGENCE_TOTAL)
    wish = NewAlert(prefecture_id="evry-courcouronnes_91", procedures=[Procedure.NATURALISATION])
    alert = expect(AlertAnswer, create_alert.sync(client=client, body=wish))
    assert [each.id for each in expect(AlertPage, list_alerts.sync(client=client)).items] == [alert.id]


def read(api: str, email: str, password: str) -> None:
    """Read the newest detection and its slots."""
    client = sign_in(api, email, password)
    newest = expect(DetectionPage, list_detections.sync(client=client, limit=1)).items[0]
    detail = expect(DetectionDetail, show_detection.sync(newest.id, client=client))
    assert detail.prefecture_id == "evry-courcouronnes_91"
    assert detail.slots[0].opened_at <= detail.detected_at


if __name__ == "__main__":
    steps: dict[str, Callable[..., None]] = {"register": register_account, "watch": watch, "read": read}
    steps[sys.argv[1]](*sys.argv[2:])
