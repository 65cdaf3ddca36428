"""What the planner and the due queue stand on: who waits, which lane, which interval, whose seat, Redis' scripts."""
