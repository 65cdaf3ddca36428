"""Buying through the routes, with Stripe's stand-in behind them."""

from tests.api.payments.fixtures import shop, till

__all__ = ["shop", "till"]
