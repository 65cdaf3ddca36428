"""Payments by Stripe."""

from configs import import_without

# Stripe's asynchronous clients: 5 MB.
import_without("stripe", "aiohttp", "anyio", "httpx")
