"""A shop whose payments get documents, and a store for their files."""

from tests.api.payments.fixtures import buyer, shop

__all__ = ["buyer", "shop"]
