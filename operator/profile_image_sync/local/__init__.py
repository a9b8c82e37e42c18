"""A run on someone's machine: its state, tokens and Secrets are files. The twin of `pod`."""
