"""The fields of Stripe's objects in the pinned version, with the values that they begin with.

The names come from the SDK's classes of that version.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from deploy.sandbox.stripe.objects import Json

_SHAPES: Final[dict[str, Json]] = {}
_WITHOUT_MODE: Final = ("refund", "subscription_item")


def blank(kind: str, **values: Any) -> Json:
    """Return a new object of a kind with these values; the others are as they begin."""
    return copy.deepcopy(_SHAPES[kind]) | values


def _shape(kind: str, null: str = "", **values: Any) -> None:
    mode = {} if kind in _WITHOUT_MODE else {"livemode": False}
    _SHAPES[kind] = {"object": kind} | mode | dict.fromkeys(null.split()) | values


_shape(
    "product",
    null="default_price description package_dimensions shippable statement_descriptor tax_code unit_label url",
    active=True,
    images=[],
    marketing_features=[],
    metadata={},
    type="service",
)
_shape(
    "price",
    null="custom_unit_amount lookup_key nickname recurring tiers_mode transform_quantity",
    active=True,
    billing_scheme="per_unit",
    metadata={},
    tax_behavior="unspecified",
    type="one_time",
)
_shape(
    "customer",
    null="address currency default_source description discount email name phone shipping test_clock",
    balance=0,
    delinquent=False,
    invoice_settings=dict.fromkeys(
        ("custom_fields", "default_payment_method", "footer", "rendering_options")
    ),
    metadata={},
    next_invoice_sequence=1,
    preferred_locales=[],
    tax_exempt="none",
)
_shape("customer_balance_transaction", null="checkout_session credit_note description invoice", metadata={})
_shape(
    "coupon",
    null="amount_off currency duration_in_months max_redemptions name percent_off redeem_by",
    duration="once",
    metadata={},
    times_redeemed=0,
    valid=True,
)
_shape(
    "discount",
    null="checkout_session customer end invoice invoice_item promotion_code subscription subscription_item",
)
_shape(
    "promotion_code",
    null="customer expires_at max_redemptions",
    active=True,
    metadata={},
    restrictions={
        "first_time_transaction": False,
        "minimum_amount": None,
        "minimum_amount_currency": None,
    },
    times_redeemed=0,
)
_shape(
    "checkout.session",
    null="after_expiration allow_promotion_codes allowed_payment_method_types amount_subtotal amount_total"
    " billing_address_collection cancel_url client_reference_id client_secret consent consent_collection"
    " currency_conversion customer customer_details customer_email invoice invoice_creation locale"
    " origin_context payment_intent payment_link permissions recovered_from saved_payment_method_options"
    " setup_intent shipping_address_collection shipping_cost submit_type subscription success_url"
    " total_details wallet_options collected_information customer_account integration_identifier managed_payments"
    " payment_method_configuration_details _intent _method _coupon _promotion_code",
    adaptive_pricing={"enabled": False},
    automatic_tax={"enabled": False, "liability": None, "provider": None, "status": None},
    custom_fields=[],
    custom_text=dict.fromkeys(("after_submit", "shipping_address", "submit", "terms_of_service_acceptance")),
    discounts=[],
    metadata={},
    payment_method_options={},
    payment_status="unpaid",
    phone_number_collection={"enabled": False},
    shipping_options=[],
    status="open",
    ui_mode="hosted_page",
)
_shape(
    "payment_intent",
    null="application application_fee_amount automatic_payment_methods canceled_at cancellation_reason customer"
    " description last_payment_error latest_charge next_action payment_method processing receipt_email review"
    " setup_future_usage shipping statement_descriptor statement_descriptor_suffix transfer_data"
    " transfer_group customer_account excluded_payment_method_types managed_payments on_behalf_of"
    " payment_method_configuration_details source _settled",
    amount_capturable=0,
    amount_details={"tip": {}},
    amount_received=0,
    capture_method="automatic_async",
    confirmation_method="automatic",
    metadata={},
    payment_method_options={},
    payment_method_types=["card"],
    status="requires_payment_method",
)
_shape(
    "charge",
    null="application application_fee application_fee_amount balance_transaction description"
    " failure_balance_transaction failure_code failure_message outcome receipt_email receipt_number"
    " receipt_url review shipping source_transfer statement_descriptor statement_descriptor_suffix"
    " transfer_data transfer_group on_behalf_of source",
    amount_captured=0,
    amount_refunded=0,
    calculated_statement_descriptor="RDVPRIORITY",
    captured=False,
    disputed=False,
    fraud_details={},
    metadata={},
    paid=False,
    refunded=False,
    status="pending",
    _dispute_won=None,
)
_shape(
    "refund",
    null="balance_transaction failure_reason pending_reason reason receipt_number source_transfer_reversal"
    " transfer_reversal customer_account",
    metadata={},
)
_shape(
    "dispute",
    null="payment_method_details",
    balance_transactions=[],
    enhanced_eligibility_types=[],
    evidence={},
    is_charge_refundable=False,
    metadata={},
    status="needs_response",
)
_shape(
    "subscription",
    null="application application_fee_percent billing_cycle_anchor_config billing_thresholds cancel_at"
    " canceled_at days_until_due default_payment_method default_source description ended_at latest_invoice"
    " next_pending_invoice_item_invoice on_behalf_of pause_collection pending_invoice_item_interval"
    " pending_setup_intent pending_update schedule test_clock transfer_data trial_end trial_start"
    " customer_account managed_payments _coupon"
    " _period_invoice",
    automatic_tax={"disabled_reason": None, "enabled": False, "liability": None},
    billing_mode={"flexible": {"proration_discounts": "included"}, "type": "flexible"},
    billing_schedules=[],
    cancel_at_period_end=False,
    cancellation_details={"comment": None, "feedback": None, "reason": None},
    collection_method="charge_automatically",
    default_tax_rates=[],
    discounts=[],
    invoice_settings={"account_tax_ids": None, "issuer": {"type": "self"}},
    metadata={},
    payment_settings={
        "payment_method_options": None,
        "payment_method_types": None,
        "save_default_payment_method": "off",
    },
    status="incomplete",
    trial_settings={"end_behavior": {"missing_payment_method": "create_invoice"}},
)
_shape("subscription_item", null="billed_until billing_thresholds", discounts=[], metadata={}, tax_rates=[])
_shape(
    "invoice",
    null="account_tax_ids application automatically_finalizes_at custom_fields customer_address"
    " customer_email customer_name customer_phone customer_shipping default_payment_method default_source"
    " description due_date effective_at ending_balance footer from_invoice hosted_invoice_url invoice_pdf"
    " last_finalization_error latest_revision next_payment_attempt number on_behalf_of parent receipt_number"
    " rendering shipping_cost shipping_details statement_descriptor test_clock threshold_reason"
    " webhooks_delivered_at customer_account",
    account_country="FR",
    account_name="RDVPriority (bac à sable)",
    amount_overpaid=0,
    amount_paid=0,
    amount_shipping=0,
    attempt_count=0,
    attempted=False,
    auto_advance=True,
    automatic_tax={
        "disabled_reason": None,
        "enabled": False,
        "liability": None,
        "provider": None,
        "status": None,
    },
    collection_method="charge_automatically",
    customer_tax_exempt="none",
    customer_tax_ids=[],
    default_tax_rates=[],
    discounts=[],
    issuer={"type": "self"},
    metadata={},
    payment_settings={"default_mandate": None, "payment_method_options": None, "payment_method_types": None},
    post_payment_credit_notes_amount=0,
    pre_payment_credit_notes_amount=0,
    starting_balance=0,
    status="draft",
    status_transitions=dict.fromkeys(("finalized_at", "marked_uncollectible_at", "paid_at", "voided_at")),
    total_pretax_credit_amounts=[],
    total_taxes=[],
)
_shape("invoice_payment", null="amount_paid", is_default=True, status="open")
_shape(
    "line_item",
    null="description invoice parent pricing subscription",
    discount_amounts=[],
    discountable=True,
    discounts=[],
    metadata={},
    pretax_credit_amounts=[],
    quantity=1,
    quantity_decimal="1",
    taxes=[],
)
_shape(
    "invoiceitem",
    null="customer_account description invoice parent pricing proration_details test_clock",
    discountable=False,
    discounts=[],
    metadata={},
    proration=False,
    quantity=1,
    quantity_decimal="1",
    tax_rates=[],
)
