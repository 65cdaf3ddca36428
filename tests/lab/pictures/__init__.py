"""Pictures of every page with a filled world behind it: `make screenshots`."""
