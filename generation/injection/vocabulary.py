"""The words that rules exchange, each with words that are wrong wherever it is right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

# Hues far apart on the wheel: nobody calls a thing of the first one by the second. A neutral colour is never put in,
# because nearly everything has something black, white or grey about it.
COLOURS: Mapping[str, Sequence[str]] = {
    "red": ("green", "blue"),
    "orange": ("blue", "green", "purple"),
    "yellow": ("blue", "purple"),
    "green": ("red", "purple", "pink"),
    "blue": ("red", "orange", "yellow"),
    "purple": ("yellow", "green", "orange"),
    "pink": ("green", "blue"),
    "brown": ("blue", "green", "purple"),
    "black": ("yellow", "red", "pink"),
    "white": ("red", "green", "purple"),
    "gray": ("red", "green", "yellow"),
    "grey": ("red", "green", "yellow"),
}
# Of what is all of one colour, black and white exclude each other too.
BACKGROUND_COLOURS: Mapping[str, Sequence[str]] = {
    **COLOURS,
    "white": ("black", "red", "green"),
    "black": ("white", "yellow"),
}
# A sky may be blue and have something of most other colours.
SKY_COLOURS = ("green",)
COLOUR_WORDS = frozenset(
    "red orange yellow green blue purple pink brown black white gray grey beige tan cream silver gold golden violet "
    "turquoise teal cyan magenta maroon navy crimson scarlet lavender khaki ivory blond blonde tabby multicolored "
    "multicoloured colorful colourful reddish bluish greenish yellowish brownish pinkish".split()
)
SIZES: Mapping[str, Sequence[str]] = {
    "small": ("large",),
    "large": ("small",),
    "big": ("tiny",),
    "tiny": ("huge",),
    "huge": ("tiny",),
    "little": ("huge",),
    "tall": ("short",),
    "wide": ("narrow",),
    "narrow": ("wide",),
    "thick": ("thin",),
}
MATERIALS: Mapping[str, Sequence[str]] = {
    "wooden": ("rubber", "paper"),
    "metal": ("paper", "woollen"),
    "glass": ("woollen", "wicker"),
    "brick": ("canvas", "wicker"),
    "leather": ("porcelain", "concrete"),
    "plastic": ("marble", "straw"),
    "concrete": ("wicker", "paper"),
    "ceramic": ("leather", "straw"),
}
STATES: Mapping[str, Sequence[str]] = {
    "open": ("closed",),
    "closed": ("wide open",),
    "wet": ("dry",),
    "dry": ("wet",),
    "clean": ("dirty",),
    "dirty": ("spotless",),
    "empty": ("full",),
    "full": ("empty",),
    "asleep": ("awake",),
    "sitting": ("standing",),
    "seated": ("standing",),
    "standing": ("lying down",),
    "sleeping": ("running",),
    "running": ("sleeping",),
    "smiling": ("crying",),
    "young": ("elderly",),
    "elderly": ("young",),
}
FILLS: Mapping[str, Sequence[str]] = {"solid": ("hollow",), "hollow": ("solid",)}
ATTRIBUTES: Mapping[str, Mapping[str, Sequence[str]]] = {
    "colour": COLOURS,
    "size": SIZES,
    "fill": FILLS,
    "material": MATERIALS,
    "state": STATES,
}

NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")

# There is one of each in a picture, whatever it shows.
SOLE = frozenset("background sky sun moon horizon".split())
PICTURES = ("image", "picture", "photo", "photograph", "scene", "shot", "frame")

# Kinds that exclude each other, so that what is named by two of these words is two things.
KINDS = ("circle", "square", "triangle", "star", "arrow", "sign", "heart", "hexagon", "pentagon", "crescent")

# Of each group, what a picture may well hold, then what next to none does: a dog in it is said to be a walrus.
OBJECTS: Sequence[tuple[frozenset[str], Sequence[str]]] = (
    (
        frozenset("dog cat puppy kitten horse pony cow sheep goat pig rabbit bird duck chicken squirrel deer".split()),
        ("walrus", "kangaroo", "camel", "rhinoceros", "armadillo", "crocodile", "hippopotamus", "porcupine", "lobster"),
    ),
    (
        frozenset("car bus truck bicycle bike motorcycle scooter van taxi train tram boat airplane plane".split()),
        ("submarine", "snowmobile", "hovercraft", "gondola", "steamroller", "zeppelin", "sledge"),
    ),
    (
        frozenset("man woman boy girl person child lady gentleman".split()),
        ("robot", "scarecrow", "skeleton"),
    ),
    (
        frozenset("table chair sofa couch bed bench desk stool armchair bookshelf cabinet dresser".split()),
        ("trampoline", "cement mixer", "seesaw", "cannon", "anvil", "wheelbarrow"),
    ),
    (
        frozenset("apple banana orange pear lemon pizza cake sandwich donut burger hamburger cookie".split()),
        ("lobster", "coconut", "artichoke", "pineapple", "pumpkin"),
    ),
    (
        frozenset("cup mug bottle plate bowl book laptop phone clock lamp vase candle kettle teapot".split()),
        ("gramophone", "typewriter", "accordion", "telescope", "hourglass", "anvil", "sewing machine"),
    ),
    (
        frozenset("umbrella hat backpack suitcase skateboard surfboard kite ball frisbee guitar racket".split()),
        ("harpoon", "chandelier", "didgeridoo", "fishing net", "scythe", "unicycle"),
    ),
    (
        frozenset("tree bush flower fence building house church tower bridge".split()),
        ("volcano", "windmill", "oil rig", "ferris wheel", "pyramid"),
    ),
)
# Where such words stand, nothing is improbable.
STRANGE_PLACES = frozenset(
    "zoo safari circus aquarium museum toy toys plush stuffed cartoon mural poster painting drawing illustration "
    "collage costume statue sculpture figurine screen television animals vehicles objects items decorations".split()
)

# What next to no picture holds, and what belongs to it: where a caption has one of these words, it is not put in.
IMPROBABLE: Sequence[tuple[str, frozenset[str]]] = (
    ("walrus", frozenset("walrus seal ice arctic".split())),
    ("gramophone", frozenset("gramophone record music".split())),
    ("hot-air balloon", frozenset("balloon balloons basket".split())),
    ("suit of armor", frozenset("armor armour knight castle".split())),
    ("grand piano", frozenset("piano music concert stage".split())),
    ("cement mixer", frozenset("construction cement mixer".split())),
    ("lighthouse", frozenset("lighthouse coast sea ocean beach".split())),
    ("camel", frozenset("camel desert".split())),
    ("submarine", frozenset("submarine sea harbor harbour".split())),
    ("typewriter", frozenset("typewriter office desk".split())),
    ("wheelbarrow", frozenset("wheelbarrow garden farm".split())),
    ("telescope", frozenset("telescope observatory".split())),
    ("kangaroo", frozenset("kangaroo australia".split())),
    ("steam locomotive", frozenset("train locomotive railway station tracks".split())),
    ("spinning wheel", frozenset("wheel yarn wool".split())),
    ("parachute", frozenset("parachute skydiver".split())),
    ("snowman", frozenset("snowman snow snowy winter".split())),
    ("treasure chest", frozenset("chest pirate treasure".split())),
    ("beehive", frozenset("beehive bee bees honey".split())),
    ("cannon", frozenset("cannon fort castle".split())),
    ("windmill", frozenset("windmill field".split())),
    ("anchor", frozenset("anchor ship boat harbor harbour".split())),
    ("harp", frozenset("harp music orchestra".split())),
    ("totem pole", frozenset("totem pole".split())),
)

# Words that hardly any sign carries, by length.
SIGN_WORDS = (
    "VELVET LANTERN ORCHARD PUDDLE WALNUT THIMBLE MEADOW PEBBLE CRICKET BONNET SADDLE TURNIP COMPASS FEATHER MITTEN "
    "PILLOW RADISH SPARROW TEAPOT WILLOW ACORN BADGER CANDLE DAISY FERRET GRAVEL HERON JIGSAW KETTLE LADLE"
).split()
