"""A user who has bought, with Stripe's stand-in behind the routes."""

from tests.api.payments.fixtures import shop, till

__all__ = ["shop", "till"]
