"""Program 1: look. Watches desks, reads pages, writes detections."""
