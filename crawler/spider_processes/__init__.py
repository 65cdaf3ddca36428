"""Which spider processes run, and what each says of itself."""
