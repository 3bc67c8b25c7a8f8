"""The diagnosis as text, JSON, Markdown and HTML; the only writer of stdout."""
