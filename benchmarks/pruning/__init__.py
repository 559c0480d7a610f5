"""What pruning takes of a network, and what fine-tuning gives back."""
