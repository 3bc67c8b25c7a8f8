"""The screen from top to bottom: status, chat beside the panels, prompt, keys; and the screens laid over it."""
