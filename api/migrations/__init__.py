"""How the tables came to be what they are: Alembic's revisions, and the way to run them."""
