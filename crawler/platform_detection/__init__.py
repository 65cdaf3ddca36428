"""Platform detection: from an unknown address to the platform, the ids and the YAML entry of a desk."""
