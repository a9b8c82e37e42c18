"""Active Directory: who is in scope, and their pictures. The only package that imports ldap3.

It reads and never writes. A search that breaks off is an error, never a shorter list of people: a
short list would look as if the missing people had left.
"""

from __future__ import annotations

from profile_image_sync.worker.directory.changes import Position, Window
from profile_image_sync.worker.directory.credentials import BindCredentials
from profile_image_sync.worker.directory.directory import Directory
from profile_image_sync.worker.directory.entries import Picture

__all__ = ["BindCredentials", "Directory", "Picture", "Position", "Window"]
