"""Rows made again: what is asked for, what came out, and how that differs from what is stored.

choice        which rows
asked         what a row's provenance asks for
models        the models that make them
difference    two captions, two images
surroundings  versions, devices and settings, then and now
outcome       what became of a row
"""
