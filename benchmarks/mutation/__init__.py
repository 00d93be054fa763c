"""Every check of the two verifiers taken out in turn: a stored forgery must then be accepted."""
