"""Writers of prompts that image models draw: from templates, from a file, by a language model."""
