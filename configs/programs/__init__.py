"""Programs: their start, loops, queues of jobs, worker processes, and what fails for long."""
