"""Generated JSON Schemas, committed; they fail a test when stale."""
