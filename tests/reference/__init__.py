"""Tests of the second verifier, which knows the specification and not the code."""
