"""A small world to run against: stand-in booking sites and providers on loopback. Imports nothing of ours."""
