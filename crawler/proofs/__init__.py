"""Proofs: selection of a check's page, its way to the store by an RQ job, and the screenshot."""
