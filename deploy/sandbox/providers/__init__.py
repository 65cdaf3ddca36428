"""The stand-ins of the providers: one file per provider, and what they share."""
