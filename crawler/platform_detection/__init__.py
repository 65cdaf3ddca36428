"""Platform detection: from an unknown address to the platform and the YAML entry of a desk."""
