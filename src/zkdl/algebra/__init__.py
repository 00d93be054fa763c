"""Pure functions on the field, its extension and multilinear extensions. Nothing here touches a transcript."""
