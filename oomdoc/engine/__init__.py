"""Rules over facts: three-valued conditions, weights of evidence, ranked findings, the next question."""
