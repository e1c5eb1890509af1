"""Training of the embedded models from scratch on rendered scenes; generation.scenes.probe says what they can do.

tokenizer    the word-level tokenizers and the chat template
tower        the vision tower of the VLMs, pre-trained on what stands in each cell
language     the language model on the frozen tower: judging and captioning
vlm          a whole VLM from its seed: tower, language model, the folder to load
held_out     a small set of contrasts to watch a training by
contrastive  the CLIP model
"""
