"""What a person at the terminal names, and what they are told."""
