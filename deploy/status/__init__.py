"""The state of everything on one screen, of a local stack and in production: `python -m deploy.status`."""
