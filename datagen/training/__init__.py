"""Fine-tuning on rows: batches, the label-only loss, LoRA, evaluation, checkpoints, and the loop that joins them."""
