"""The pages that Stripe hosts: Checkout, portal, invoice; and a list of what happened."""
