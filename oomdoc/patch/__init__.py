"""Changes of canonical facts as edits of the person's own files and commands; the only writer of user files."""
