"""Deletion of an account: what is lost by it, the one transaction, and what stays without a name."""
