"""Search for secrets in the files of the repository, by detect-secrets with rules of our own."""
