"""Alembic's revisions of the tables, and the command that runs them."""
