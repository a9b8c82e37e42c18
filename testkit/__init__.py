"""What tests, demo and benchmarks share: Samba, a HighQ simulator, clusters, tenants, the scenario."""
