"""A row as training text, and which of its characters the model is taught: the one renderer of ifd, train and chat.

The text comes from the tokenizer's own chat template. What carries loss is every answer that the row does not exclude, with
its end-of-turn token, and nothing that stands before it when a server asks for it: at inference the prompt ends just before
the answer, and the end token is the last that the model must say.
"""
