"""Captioners and image models, paired into image-caption pairs by a recipe.

recipe      what to generate, as a validated value; recipe_file reads it, naming the line of every problem
parts       finds the image sources, prompt writers and labellers that a recipe names; protocols says what they are
pipeline    makes the dataset: inputs, plan, produce (with outcome), assemble
work        the folder that a resumed session goes on from, with its journal
captioners  local vision-language models as captioners
scenes      the offline world
"""
