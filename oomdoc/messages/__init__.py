"""Interface sentences in both languages; rule text lives in the rules."""
