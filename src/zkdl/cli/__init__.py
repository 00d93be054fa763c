"""The command line: one file per verb. Results on stdout, progress and messages on stderr."""
