"""The API server, for operator and worker alike: requests, errors, conflicts, leases.

The only package that imports `kubernetes`, and of that only what carries requests: its models of the core
API cost half a second and 20 MiB more (measured, version 37).
"""
