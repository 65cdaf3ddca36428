"""Deployment: the local stack, the sandbox, production, and the programs that measure and test them."""
