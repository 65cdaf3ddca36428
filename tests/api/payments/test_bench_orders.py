"""Orders of the benchmark are real ones: what Stripe sends for them is applied."""

from api.models.alert import Alert
from api.models.base import engine
from api.models.payment import Payment, PaymentStatus
from deploy.bench.orders import pay_orders, place_orders
from tests.api.payments.shop import Shop
from tests.api.world import rows


def test_each_user_has_a_paid_order_with_its_alert(shop: Shop) -> None:
    wish = {"prefectureId": "bobigny_93", "procedures": ["TITRE_SEJOUR"]}
    orders = place_orders(engine(), "bench-", 2, wish)
    deliveries = pay_orders(shop.control, orders)
    assert len(deliveries) >= 5 * len(orders)
    shop.deliver(deliveries)
    assert {each.status for each in rows(Payment)} == {PaymentStatus.COMPLETED}
    assert {each.user_id for each in rows(Alert)} == {each.user_id for each in orders}
