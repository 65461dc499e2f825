"""What a judge or a rule says of an answer, as a number: read from a text, from probabilities, or from a final answer."""
