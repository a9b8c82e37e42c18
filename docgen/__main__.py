"""Writes every generated page that has changed, in the repository's root."""

from __future__ import annotations

from docgen.pages import ROOT, pages

if __name__ == "__main__":
    for path, text in pages().items():
        page = ROOT / path
        if not page.exists() or page.read_text() != text:  # a test may be reading it
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_text(text)
