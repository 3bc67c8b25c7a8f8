"""The spine: the vocabulary, facts with provenance, the case, and the knowledge base on disk."""
