"""Webhooks: signed, sent again until they are taken, and troubled on purpose."""
