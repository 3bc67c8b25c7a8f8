"""Syntaxes as code: shell, YAML, JSON, TOML, Python and printed dumps, read into settings with exact spans.

Nothing here knows a framework, and nothing that is read is ever executed or constructed.
"""
