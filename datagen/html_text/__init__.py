"""HTML in a text turned into its text; Markdown, code and signs of comparison around it stay as they are."""
