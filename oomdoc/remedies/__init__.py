"""Changes that help: remedies as data, and the search for plans that fit."""
