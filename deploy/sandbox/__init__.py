"""Sandbox: stand-in booking sites and providers on loopback. It imports no other package of this project."""
