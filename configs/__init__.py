"""What the world is, and the ground all programs stand on."""
