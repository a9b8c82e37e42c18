"""A real Active Directory for tests and the demo: Samba's domain controller. Needs root."""
