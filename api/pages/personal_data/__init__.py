"""Pages about personal data: what we know and why, its export, and the deletion of the account."""
