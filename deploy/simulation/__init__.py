"""Days of watching in minutes: the real planner, due queue, pace, visits and records; sites and network are played."""
