"""Parsing shared by several platforms. Pure: no I/O and no clock."""
