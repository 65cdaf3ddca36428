"""A release on one machine, under load: from the last version to the work tree, and back."""
