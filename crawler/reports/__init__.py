"""What people report of desks: read from the table, judged, written as slots and detections."""
