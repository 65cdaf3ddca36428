"""The objects of Stripe's API: how each is made, changed and shown."""
