"""SOQL: text to tokens (`lexer`), tokens to a tree (`parser`, `tree`), a tree to records (`names`, `evaluate`)."""
