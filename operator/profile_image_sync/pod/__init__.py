"""A run in a pod: its state, tokens, Lease and report are objects of the API server.

Gives `worker` its RunContext, as `local` does on someone's machine.
"""
