"""Cases of money, each numbered as in docs/payments.md, tried against what Stripe's own documents say."""

from tests.api.payments.fixtures import buyer, shop, till

__all__ = ["buyer", "shop", "till"]
