"""Committed one-time pads, affine expressions in them, product triples."""
