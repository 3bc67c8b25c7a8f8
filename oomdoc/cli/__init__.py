"""Commands: one lazily imported module each; the only room that knows exit codes."""
