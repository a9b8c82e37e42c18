"""Active Directory: who is in scope, and their pictures. The only room that knows LDAP.

It reads, never writes. What it hands out is whole or nothing: an answer that breaks off is an error,
never a shorter list of people.
"""

from __future__ import annotations

from profile_image_sync.worker.directory.credentials import BindCredentials
from profile_image_sync.worker.directory.directory import Directory

__all__ = ["BindCredentials", "Directory"]
