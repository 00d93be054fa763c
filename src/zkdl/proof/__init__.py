"""Composition: statements in, proof bytes out, and back."""
