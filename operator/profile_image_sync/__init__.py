"""A Kubernetes operator that carries Active Directory profile pictures into HighQ."""

__version__ = "0.1.0"
