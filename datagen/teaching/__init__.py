"""A teacher's work on what one already has: answers, better answers, harder tasks, other languages, instructions for texts."""
