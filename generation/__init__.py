"""Captioners and image models, paired into image-caption pairs by a recipe.

recipe      what to generate, as a validated value; recipe_file reads it, naming the line of every problem
parts       finds the sources, writers, filters and labellers that a recipe names; protocols says what they are
pipeline    makes the dataset: inputs (with usable, screening, purse), plan (with quota), produce (with outcome,
            versions), assemble (with made, lost, screening), summary
work        the folder that a resumed session goes on from, with its journals
regenerate  makes single rows again; injection plants errors into correct captions; forecast says what a recipe takes
captioners, diffusion, api, text_model      the models
sources, writers, filters                   what recipes name; domains and near_duplicates choose among what they give
scenes      the offline world
"""
