"""Models: the client and its journal, the embedded model behind a local endpoint, and models in this process."""
