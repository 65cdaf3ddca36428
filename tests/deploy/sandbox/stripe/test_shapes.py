"""The stand-in's objects and parameters carry the names that the SDK's classes of this version have."""

from typing import Any

import stripe

from deploy.sandbox.stripe import account
from deploy.sandbox.stripe.objects import blank, read_shapes
from deploy.sandbox.stripe.resources import catalogue, checkout, invoices, subscriptions

CLASSES: dict[str, Any] = {
    "product": stripe.Product, "price": stripe.Price, "customer": stripe.Customer,
    "customer_balance_transaction": stripe.CustomerBalanceTransaction, "coupon": stripe.Coupon,
    "discount": stripe.Discount, "promotion_code": stripe.PromotionCode,
    "checkout.session": stripe.checkout.Session, "payment_intent": stripe.PaymentIntent,
    "charge": stripe.Charge, "refund": stripe.Refund, "dispute": stripe.Dispute,
    "subscription": stripe.Subscription, "subscription_item": stripe.SubscriptionItem,
    "invoice": stripe.Invoice, "invoice_payment": stripe.InvoicePayment,
    "line_item": stripe.InvoiceLineItem, "invoiceitem": stripe.InvoiceItem,
    "payment_method": stripe.PaymentMethod, "billing_portal.session": stripe.billing_portal.Session,
    "radar.early_fraud_warning": stripe.radar.EarlyFraudWarning, "item": stripe.LineItem, "plan": stripe.Plan,
}  # fmt: skip
PARAMETERS: list[tuple[str, Any]] = [
    ("CouponCreateParams", catalogue.COUPON_FIELDS),
    ("SubscriptionUpdateParams", subscriptions.SUBSCRIPTION_FIELDS),
    ("InvoiceItemCreateParams", invoices.ITEM_FIELDS),
]  # fmt: skip


def test_the_version_is_the_one_that_the_sdk_sends() -> None:
    assert stripe.api_version == account.API_VERSION


def test_no_field_is_invented() -> None:
    for kind in read_shapes():
        ours = {name for name in blank(kind) if not name.startswith("_")}
        # The SDK leaves `livemode` out where an object has none.
        assert ours - set(CLASSES[kind].__annotations__) <= {"livemode"}, kind


def test_no_parameter_is_invented() -> None:
    for params, ours in PARAMETERS:
        assert set(ours) <= set(getattr(stripe.params, params).__annotations__), params


def test_no_parameter_of_checkout_is_invented() -> None:
    from stripe.params.checkout import SessionCreateParams

    assert set(checkout.SESSION_FIELDS) <= set(SessionCreateParams.__annotations__)
