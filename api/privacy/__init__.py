"""Personal data: exports, deletion (one transaction, and what stays without a name), and how long rows are kept."""
