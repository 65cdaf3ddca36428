"""Stand-in of Stripe: its API, its pages, its webhooks, and controls (docs/stand-ins.md)."""
