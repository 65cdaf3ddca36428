"""Stand-in of Stripe: its API, its pages, its webhooks, and controls (docs/reference/stripe-stand-in.md)."""
