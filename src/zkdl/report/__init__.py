"""The report on a run: one HTML page, and a section for a model card."""
