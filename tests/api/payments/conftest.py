"""Payments on a real database, a real Redis and Stripe's stand-in, reached by Stripe's own library."""

from tests.api.payments.fixtures import buyer, shop

__all__ = ["buyer", "shop"]
