"""A user of the generated client: its functions and models only. It runs on that client's own Python.

`client_journey.py register|watch|read|buy|paid API EMAIL PASSWORD [TOKEN]`; TOKEN is what the mail's link ends with.
`buy` prints the address of the Checkout page.
"""

import sys
from collections.abc import Callable
from typing import TypeVar

from rdvpriority_client import AuthenticatedClient, Client
from rdvpriority_client.api.alerts import create_alert, list_alerts
from rdvpriority_client.api.auth import me, register, verify_email
from rdvpriority_client.api.billing import (
    cancel_plan,
    list_payments,
    list_plans,
    open_portal,
    show_quote,
    start_checkout,
)
from rdvpriority_client.api.detections import list_detections, show_detection
from rdvpriority_client.api.logins import login
from rdvpriority_client.models import (
    Account,
    AlertAnswer,
    AlertPage,
    Cancellation,
    CancelledAnswer,
    CheckoutAnswer,
    Confirmed,
    Consent,
    DetectionDetail,
    DetectionPage,
    HistoryPage,
    LoginBody,
    NewAlert,
    NewOrder,
    NewOrderPlan,
    PlanList,
    PlanName,
    PortalAnswer,
    Procedure,
    QuoteAnswer,
    Registered,
    Registration,
    ShowQuotePlan,
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


def buy(api: str, email: str, password: str, token: str) -> None:
    """Confirm the address, read a quote and order the monthly plan."""
    expect(Confirmed, verify_email.sync(client=Client(api), body=TokenBody(token=token)))
    client = sign_in(api, email, password)
    known = expect(PlanList, list_plans.sync(client=Client(api)))
    quote = expect(QuoteAnswer, show_quote.sync(client=client, plan=ShowQuotePlan.URGENCE_TOTAL))
    assert (quote.amount, quote.credit) == (2999, 0)
    consent = Consent(
        terms_version=known.terms_version,
        start_now=True,
        acknowledges_loss=True,
        accepts_hour_threshold=False,
    )
    order = NewOrder(plan=NewOrderPlan.URGENCE_TOTAL, without_alert=True, consent=consent)
    page = expect(CheckoutAnswer, start_checkout.sync(client=client, body=order))
    assert page.desks_watched > 0
    sys.stdout.write(page.checkout_url)


def read_payment(api: str, email: str, password: str) -> None:
    """Read the history, open the portal and cancel at the end of the period."""
    client = sign_in(api, email, password)
    (payment,) = expect(HistoryPage, list_payments.sync(client=client)).items
    assert (payment.plan, payment.amount, payment.status) == (PlanName.URGENCE_TOTAL, 2999, "COMPLETED")
    assert expect(PortalAnswer, open_portal.sync(client=client)).portal_url
    end = expect(CancelledAnswer, cancel_plan.sync(client=client, body=Cancellation(period_end=True)))
    assert (end.ends_at, end.refund) == (payment.to, 0)


if __name__ == "__main__":
    steps: dict[str, Callable[..., None]] = {
        "register": register_account,
        "watch": watch,
        "read": read,
        "buy": buy,
        "paid": read_payment,
    }
    steps[sys.argv[1]](*sys.argv[2:])
