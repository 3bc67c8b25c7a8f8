"""Proof: the dry run and the GPU probe, as workers in the training interpreter."""
