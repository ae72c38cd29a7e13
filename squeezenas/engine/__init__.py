"""What every training loop needs: processes, precision, optimisers, checkpoints."""
