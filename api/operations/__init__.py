"""Our own operations: alarms and their acknowledgement, what is wrong now, and the two daily messages to admins."""
