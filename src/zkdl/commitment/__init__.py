"""Ligero-style commitments: salted Merkle trees over Reed-Solomon encoded rows, and their masked openings."""
