"""The stand-ins of booking platforms: one file per platform, and what they share."""
