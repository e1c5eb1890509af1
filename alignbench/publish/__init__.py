"""Datasets for the Hugging Face Hub: the folder, its card, what blocks it, the upload, and the way back."""
