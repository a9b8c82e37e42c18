"""A run in a pod: its state, tokens, Lease and report are objects of the API server.

Sets the bench up that `worker` runs on, as `terminal` does elsewhere. Only `client` knows Kubernetes.
"""
