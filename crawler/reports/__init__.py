"""Reports of people about desks: read from the table, judged, written as slots and detections."""
