"""Exports: one ZIP with everything that the tables hold about a user, built by a job."""
