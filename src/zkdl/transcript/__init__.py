"""Fiat-Shamir transcript and the two ends of the proof stream."""
