"""Golden proofs and their transcripts, written by tools/make_vectors.py and pinned by hash in index.json."""
