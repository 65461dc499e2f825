"""One client of language models: endpoints, batches and local servers, every attempt and answer in the journal."""
