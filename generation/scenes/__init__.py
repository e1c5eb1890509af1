"""The offline world: procedural scenes whose every sentence can be decided, so that labels of model captions are exact.

world       what a scene is, drawn at random
render      a scene as a PNG
grammar     sentences about scenes: claims to text, text to claims
labeller    decides any sentence against a scene
contrast    scenes in twos that differ in one respect, with a sentence true of one only
writer      the control captioner, which plants errors at a set rate
painters    image models that violate their prompt at a set rate
source      image source, prompt writer and labeller as the pipeline wants them
"""
