"""The dialogue with no terminal in it: utterance in, typed blocks out."""
