"""How it runs: locally, in the sandbox, in production."""
