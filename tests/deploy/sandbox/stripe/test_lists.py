"""Lists page by page, ranges of time, and expanded objects, as the SDK asks for them."""

import pytest
import stripe

from deploy.sandbox.stripe.control_client import StripeControl
from tests.deploy.sandbox.stripe.conftest import Checkout


def test_all_pages_are_read_newest_first(client: stripe.StripeClient) -> None:
    made = [client.v1.coupons.create({"percent_off": 10}).id for _ in range(12)]
    page = client.v1.coupons.list({"limit": 5})
    assert (len(page.data), page.has_more) == (5, True)
    assert [each.id for each in page.auto_paging_iter()][:12] == made[::-1]
    before = client.v1.coupons.list({"limit": 5, "ending_before": made[5]})
    assert [each.id for each in before.data] == made[10:5:-1]
    assert before.has_more
    last = client.v1.coupons.list({"limit": 100, "starting_after": made[1]})
    assert made[0] in [each.id for each in last.data]
    assert not last.has_more


def test_a_list_is_limited_to_when_things_were_made(
    client: stripe.StripeClient, stripe_stand_in: StripeControl
) -> None:
    early = client.v1.customers.create({})
    stripe_stand_in.advance(days=2)
    late = client.v1.customers.create({})
    assert late.created - early.created >= 2 * 86_400
    assert [each.id for each in client.v1.customers.list({"created": {"gte": early.created + 1}}).data] == [
        late.id
    ]
    assert [each.id for each in client.v1.customers.list({"created": {"lt": late.created}}).data] == [
        early.id
    ]
    assert [each.id for each in client.v1.customers.list({"created": late.created}).data] == [late.id]


def test_a_cursor_that_left_the_list_still_tells_where_it_goes_on(
    client: stripe.StripeClient, checkout: Checkout, stripe_stand_in: StripeControl
) -> None:
    sessions = [checkout().id for _ in range(3)]
    stripe_stand_in.pay(sessions[1])
    rest = client.v1.checkout.sessions.list({"status": "open", "starting_after": sessions[1]})
    assert [each.id for each in rest.data] == [sessions[0]]


def test_what_an_id_names_is_expanded(
    client: stripe.StripeClient, checkout: Checkout, stripe_stand_in: StripeControl
) -> None:
    customer = client.v1.customers.create({"email": "a@example.org"})
    made = checkout(customer=customer.id)
    assert "line_items" not in made.to_dict()
    stripe_stand_in.pay(made.id)
    paths = ["customer", "line_items.data.price.product", "payment_intent.latest_charge.refunds"]
    told = client.v1.checkout.sessions.retrieve(made.id, {"expand": paths})
    assert isinstance(told.customer, stripe.Customer)
    assert told.customer.email == "a@example.org"
    assert told.line_items
    assert told.line_items.data[0].price
    assert isinstance(told.line_items.data[0].price.product, stripe.Product)
    assert isinstance(told.payment_intent, stripe.PaymentIntent)
    assert isinstance(told.payment_intent.latest_charge, stripe.Charge)
    assert told.payment_intent.latest_charge.refunds is not None
    assert told.payment_intent.latest_charge.refunds.data == []
    listed = client.v1.checkout.sessions.list({"expand": ["data.payment_intent"]})
    assert isinstance(listed.data[0].payment_intent, stripe.PaymentIntent)


@pytest.mark.parametrize("path", ["colour", "amount_total", "customer.colour", "a.b.c.d.e"])
def test_what_names_nothing_cannot_be_expanded(
    client: stripe.StripeClient, checkout: Checkout, path: str
) -> None:
    customer = client.v1.customers.create({})
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.checkout.sessions.retrieve(checkout(customer=customer.id).id, {"expand": [path]})
    assert caught.value.param == "expand"
