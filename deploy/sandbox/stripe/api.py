"""Answers the calls of Stripe's API that the product makes: key, version, idempotency, the operation, JSON and headers.

An answer names objects by their ids, unless ``expand`` asks for them: https://docs.stripe.com/expand
https://docs.stripe.com/api/idempotent_requests: the first answer to a key is the answer to all calls with it,
also a refusal, unless a parameter was wrong or another call was under way.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pydantic import create_model

from deploy.sandbox.stripe.account import API_VERSION
from deploy.sandbox.stripe.objects import Json, StripeError, cut_list, new_id, show
from deploy.sandbox.stripe.parameters import Page, Parameters, decode_fields, list_kind, read_parameters
from deploy.sandbox.stripe.resources import (
    catalogue,
    checkout,
    invoices,
    money_back,
    renewals,
    subscriptions,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from deploy.sandbox.stripe.account import Account

_API_KEY: Final = re.compile(r"[sr]k_(test|live)_[\w-]+")
_ONE: Final = re.compile(r"/v1/(checkout/sessions|[a-z_]+)/[a-z]+_\w+")
_KEPT_CALLS: Final = 20_000
_KEPT_SECONDS: Final = 24 * 3600
_LONGEST_KEY: Final = 255
_SUCCESS: Final = 200

# Called with the account, the parameters, and the ids in the path.
Operation = Callable[..., Json]


def _retrieve(kind: str) -> tuple[type[Parameters], Operation]:
    return Parameters, lambda account, _given, identifier: account.find(kind, identifier)


def _list(kind: str, url: str, *filters: str) -> tuple[type[Parameters], Operation]:
    asked: dict[str, Any] = dict.fromkeys(filters, (str | None, None))
    model = create_model(f"{kind}_page", __base__=Page, **asked)
    return model, lambda account, given: list_kind(account, given, kind, url)


CALLS: Final[dict[tuple[str, str], tuple[type[Parameters], Operation]]] = {
    ("DELETE", "/v1/customers/{}"): (Parameters, subscriptions.delete_customer),
    ("POST", "/v1/checkout/sessions"): (checkout.NewSession, checkout.create_session),
    ("GET", "/v1/checkout/sessions"): _list("checkout.session", "/v1/checkout/sessions"),
    ("GET", "/v1/checkout/sessions/{}"): _retrieve("checkout.session"),
    ("POST", "/v1/checkout/sessions/{}/expire"): (Parameters, checkout.expire_session),
    ("GET", "/v1/payment_intents/{}"): _retrieve("payment_intent"),
    ("POST", "/v1/refunds"): (money_back.NewRefund, money_back.create_refund),
    ("GET", "/v1/refunds"): _list("refund", "/v1/refunds", "payment_intent"),
    ("GET", "/v1/refunds/{}"): _retrieve("refund"),
    ("GET", "/v1/subscriptions/{}"): _retrieve("subscription"),
    ("POST", "/v1/subscriptions/{}"): (subscriptions.Change, renewals.update_subscription),
    ("DELETE", "/v1/subscriptions/{}"): (subscriptions.Cancellation, subscriptions.cancel_subscription),
    ("POST", "/v1/customers/{}"): (subscriptions.CustomerChange, subscriptions.update_customer),
    ("GET", "/v1/invoices"): _list("invoice", "/v1/invoices", "subscription"),
    ("POST", "/v1/invoices/create_preview"): (invoices.Preview, invoices.preview_invoice),
    ("GET", "/v1/invoices/{}"): _retrieve("invoice"),
    ("GET", "/v1/invoices/{}/lines"): (Page, invoices.list_lines),
    ("POST", "/v1/invoices/{}/void"): (Parameters, invoices.void_invoice),
    ("GET", "/v1/invoice_payments"): _list("invoice_payment", "/v1/invoice_payments", "invoice"),
    ("POST", "/v1/invoiceitems"): (invoices.NewItem, invoices.create_invoice_item),
    ("GET", "/v1/invoiceitems"): _list("invoiceitem", "/v1/invoiceitems", "customer"),
    ("DELETE", "/v1/invoiceitems/{}"): (Parameters, invoices.delete_invoice_item),
    ("POST", "/v1/coupons"): (catalogue.NewCoupon, catalogue.create_coupon),
    ("POST", "/v1/billing_portal/sessions"): (subscriptions.NewPortal, subscriptions.create_portal_session),
    ("GET", "/v1/disputes"): _list("dispute", "/v1/disputes", "payment_intent"),
    ("GET", "/v1/disputes/{}"): _retrieve("dispute"),
    ("GET", "/v1/charges"): _list("charge", "/v1/charges", "payment_intent"),
    ("GET", "/v1/balance_transactions"): _list("balance_transaction", "/v1/balance_transactions"),
    ("GET", "/v1/radar/early_fraud_warnings/{}"): _retrieve("radar.early_fraud_warning"),
    ("GET", "/v1/events"): _list("event", "/v1/events"),
}
_EXPANDED_IN_LISTS: Final = ("source", "balance_transaction", "failure_balance_transaction")
_COMPILED: Final = [
    (method, re.compile(path.replace("{}", r"([^/]+)")), *call) for (method, path), call in CALLS.items()
]


def read_call(method: str, path: str, told: Json) -> Callable[[Account], Json]:
    """Return what carries out a call, and returns what it answers with the objects that ``expand`` names.

    Raises:
        StripeError: there is no such call (404), or a parameter of it is wrong.
    """
    for known, pattern, model, operation in _COMPILED:
        if found := pattern.fullmatch(path) if known == method else None:
            given, ids = read_parameters(model, told), found.groups()
            return lambda account: _show_expanded(account, operation(account, given, *ids), given.expand)
    message = f"Unrecognized request URL ({method}: {path}). Stripe's stand-in does not know this call."
    raise StripeError(message, status=404)


def _show_expanded(account: Account, thing: Json, names: list[str]) -> Json:
    shown: Json = show(thing)
    for name in names:
        inner = name.removeprefix("data.")
        if thing["object"] == "list" and inner in _EXPANDED_IN_LISTS:
            pairs = zip(shown["data"], thing["data"], strict=True)
            shown["data"] = [each | _expand(account, of, inner) for each, of in pairs]
        else:
            shown |= _expand(account, thing, name)
    return shown


def _expand(account: Account, thing: Json, name: str) -> Json:
    """Return a field of an object with the object that it names, or none where it names none."""
    match thing["object"], name:
        case "checkout.session", "payment_intent":
            found = account.get("payment_intent", thing["payment_intent"])
        case "payment_intent", "latest_charge":
            found = account.get("charge", thing["latest_charge"])
        case "invoice", "payments":
            found = cut_list(invoices.list_of_payments(account, thing))
        case "balance_transaction", "source":
            found = account.get(thing["_of"], thing["source"])
        case (("charge" | "refund"), ("balance_transaction" | "failure_balance_transaction")):
            found = account.get("balance_transaction", thing[name])
        case _:
            raise StripeError(f"This property cannot be expanded ({name}).", param="expand")
    return {name: show(found)}


@dataclass(frozen=True)
class ApiCall:
    """A call as it came; ``encoded`` are its form fields, of the body or of the address."""

    method: str
    path: str
    encoded: str
    headers: Mapping[str, str]

    @property
    def key(self) -> str | None:
        """Return the idempotency key; only POST has one."""
        return self.headers.get("Idempotency-Key") if self.method == "POST" else None

    @property
    def changed(self) -> str | None:
        """Return the path of the one object that the call changes: Stripe lets no two change it at once."""
        found = _ONE.match(self.path) if self.method != "GET" else None
        return found.group() if found else None


@dataclass(frozen=True)
class ApiAnswer:
    """A status, a JSON body and headers; for the idempotency key, the parameters and the instant of the request."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    created: int = 0
    told: object = None


class Api:
    """The API of one account. It answers at once; waiting and breaking is the server's part."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._saved: dict[str, ApiAnswer] = {}  # by idempotency key
        self._in_use: set[str] = set()
        self.log: deque[Json] = deque(maxlen=_KEPT_CALLS)

    @contextmanager
    def hold(self, call: ApiCall) -> Iterator[None]:
        """Hold a call's key, and the object that it changes, while it is answered.

        Raises:
            StripeError: another call holds the key (409) or the object (429), or the key is too long.
        """
        if call.key and len(call.key) > _LONGEST_KEY:
            raise StripeError("Idempotency keys have up to 255 characters.", type="idempotency_error")
        if call.key in self._in_use:
            message = "There is currently another in-progress request using this Idempotent Key."
            raise StripeError(message, code="idempotency_key_in_use", status=409)
        if call.changed in self._in_use:
            raise lock_error()
        held = {each for each in (call.key, call.changed) if each}
        self._in_use |= held
        try:
            yield
        finally:
            self._in_use -= held

    def answer(self, call: ApiCall, *, broken: bool = False) -> ApiAnswer:
        """Answer a call and note it; ``broken``: by an error 500 that is kept under its key."""
        request_id = new_id("req")
        self._account.clock.run_due()
        try:
            made = self._answer(call, request_id, broken=broken)
        except StripeError as error:
            made = refuse(error, request_id)
        self._account.clock.run_due()
        self.note(call)
        return made

    def note(self, call: ApiCall) -> None:
        """Keep what was asked."""
        entry: Json = {"method": call.method, "path": call.path, "parameters": decode_fields(call.encoded)}
        entry |= {"idempotency_key": call.key, "api_version": call.headers.get("Stripe-Version")}
        self.log.append(entry)

    def _answer(self, call: ApiCall, request_id: str, *, broken: bool) -> ApiAnswer:
        self._account.live = "_live_" in _check_key(call)
        told, moment = decode_fields(call.encoded), self._account.clock.now()
        asked, headers = (call.method, call.path, told), _headers(request_id, call.key)
        saved = self._saved.get(call.key or "")
        if saved and saved.created + _KEPT_SECONDS > moment:
            if saved.told != asked:
                message = (
                    "Keys for idempotent requests can only be used with the same parameters they were first used "
                    f"with. Try using a key other than '{call.key}' if you meant to execute a different request."
                )
                raise StripeError(message, type="idempotency_error")
            headers |= {"Original-Request": saved.headers["Request-Id"], "Idempotent-Replayed": "true"}
            return ApiAnswer(saved.status, saved.body, headers)
        run = read_call(call.method, call.path, told)  # what is refused here is not kept: nothing was begun
        made = refuse(break_error()) if broken else self._run(run, request_id)
        answer = ApiAnswer(made.status, made.body, headers, moment, asked)
        if call.key is not None:
            self._saved[call.key] = answer
        return answer

    def _run(self, run: Callable[[Account], Json], request_id: str) -> ApiAnswer:
        try:
            return ApiAnswer(_SUCCESS, _dump(run(self._account)))
        except StripeError as error:
            return refuse(error, request_id)


def refuse(error: StripeError, request_id: str | None = None) -> ApiAnswer:
    """Return the answer that says why a call is refused."""
    headers = _headers(request_id or new_id("req"), None)
    return ApiAnswer(error.status, _dump({"error": error.fields}), headers)


def lock_error() -> StripeError:
    """Return the error of a call about an object that another call changes.

    https://docs.stripe.com/rate-limits
    """
    message = "This object cannot be accessed right now because another API request is accessing it."
    return StripeError(message, code="lock_timeout", status=429)


def break_error() -> StripeError:
    """Return the error of a call that broke on Stripe's side."""
    return StripeError("An error occurred on Stripe's side.", status=500, type="api_error")


def _headers(request_id: str, key: str | None) -> dict[str, str]:
    told = {"Request-Id": request_id, "Stripe-Version": API_VERSION, "Content-Type": "application/json"}
    return told | ({"Idempotency-Key": key} if key else {})


def _dump(body: Json) -> bytes:
    return json.dumps(body, indent=2, ensure_ascii=False).encode()


def _check_key(call: ApiCall) -> str:
    """Return the API key of a call whose version is the one that is imitated."""
    key = call.headers.get("Authorization", "").removeprefix("Bearer ").strip()
    if not _API_KEY.fullmatch(key):
        raise StripeError(f"Invalid API Key provided: {key[:8]}****", status=401)
    told = call.headers.get("Stripe-Version")
    if told is not None and told != API_VERSION:
        raise StripeError(f"Invalid Stripe API version: {told}. Stripe's stand-in knows {API_VERSION}.")
    return key
