"""From an address nobody knows to a desk: what is found there, which platform it is, what its YAML entry would say."""
