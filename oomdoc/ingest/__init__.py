"""From what a person has (logs, settings, the machine) to facts; knows no rule."""
