"""A second verifier, written from docs/spec alone: plain integers, the standard library, nothing shared with zkdl."""
