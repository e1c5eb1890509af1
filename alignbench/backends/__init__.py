"""What judges and captioners share: loaded models. Imported by adapters only."""
