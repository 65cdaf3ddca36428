"""Proofs: selection of a check's page, the spool, the upload to the store, and the screenshot."""
