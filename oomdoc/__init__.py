"""The doctor for training and inference runs that ran out of memory."""

__version__ = "0.1.0"
