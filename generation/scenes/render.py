"""Draws a scene with Pillow: the same scene gives the same pixels, and with one Pillow version the same PNG bytes."""

from __future__ import annotations

import io
import math
import random

from PIL import Image, ImageDraw

from generation.scenes.world import Scene, Thing

SIDE = 128
_OVER = 2
_CELL = SIDE * _OVER / 3
_JITTER = 6
_RGB = {
    "red": (214, 39, 40),
    "green": (34, 150, 60),
    "blue": (40, 90, 220),
    "yellow": (250, 215, 40),
    "purple": (140, 60, 190),
    "orange": (255, 127, 14),
}
_BACKGROUND = {"white": (255, 255, 255), "gray": (150, 150, 150), "black": (0, 0, 0)}
_RADIUS = {"small": 18, "large": 36}
_OUTLINE = 8
_GLYPH = 4
# 5 x 7 dots a letter, a row a number: a font file would make the pixels depend on the machine.
_DOTS = {
    "A": (14, 17, 17, 31, 17, 17, 17),
    "B": (30, 17, 17, 30, 17, 17, 30),
    "C": (14, 17, 16, 16, 16, 17, 14),
    "G": (14, 17, 16, 23, 17, 17, 14),
    "H": (17, 17, 17, 31, 17, 17, 17),
    "I": (14, 4, 4, 4, 4, 4, 14),
    "K": (17, 18, 20, 24, 20, 18, 17),
    "N": (17, 25, 21, 19, 17, 17, 17),
    "O": (14, 17, 17, 17, 17, 17, 14),
    "P": (30, 17, 17, 30, 16, 16, 16),
    "S": (15, 16, 16, 14, 1, 1, 30),
    "T": (31, 4, 4, 4, 4, 4, 4),
    "U": (17, 17, 17, 17, 17, 17, 14),
    "X": (17, 17, 10, 4, 10, 17, 17),
}

_Point = tuple[float, float]


def render_image(scene: Scene) -> Image.Image:
    """The scene as an RGB image of `SIDE` x `SIDE` pixels, drawn at twice the size and averaged."""
    canvas = Image.new("RGB", (SIDE * _OVER, SIDE * _OVER), _BACKGROUND[scene.background])
    pen = ImageDraw.Draw(canvas)
    rng = random.Random(scene.jitter)
    for thing in scene.things:
        x = (thing.column + 0.5) * _CELL + rng.uniform(-_JITTER, _JITTER)
        y = (thing.row + 0.5) * _CELL + rng.uniform(-_JITTER, _JITTER)
        _draw(pen, thing, (x, y))
    return canvas.reduce(_OVER)


def render(scene: Scene) -> bytes:
    """The scene as PNG bytes."""
    out = io.BytesIO()
    render_image(scene).save(out, format="PNG")
    return out.getvalue()


def _draw(pen: ImageDraw.ImageDraw, thing: Thing, centre: _Point) -> None:
    colour = _RGB[thing.colour]
    if thing.kind == "sign":
        _draw_sign(pen, thing.text or "", colour, centre)
    elif thing.kind == "circle":
        _draw_circle(pen, thing, centre)
    else:
        corners = _arrow(thing) if thing.kind == "arrow" else _polygon(thing)
        placed = [(centre[0] + x, centre[1] + y) for x, y in corners]
        if thing.fill == "hollow":
            pen.line([*placed, placed[0], placed[1]], fill=colour, width=_OUTLINE, joint="curve")
        else:
            pen.polygon(placed, fill=colour)


def _draw_circle(pen: ImageDraw.ImageDraw, thing: Thing, centre: _Point) -> None:
    r = _RADIUS[thing.size or "large"]
    box = (centre[0] - r, centre[1] - r, centre[0] + r, centre[1] + r)
    if thing.fill == "hollow":
        pen.ellipse(box, outline=_RGB[thing.colour], width=_OUTLINE)
    else:
        pen.ellipse(box, fill=_RGB[thing.colour])


def _polygon(thing: Thing) -> list[_Point]:
    r = float(_RADIUS[thing.size or "large"])
    if thing.kind == "square":
        h = r * 0.88
        return [(-h, -h), (h, -h), (h, h), (-h, h)]
    if thing.kind == "triangle":
        return [(0, -r), (r, r * 0.85), (-r, r * 0.85)]
    points = []
    for i in range(10):
        reach = r * 1.1 if i % 2 == 0 else r * 0.45
        angle = -math.pi / 2 + i * math.pi / 5
        points.append((reach * math.cos(angle), reach * math.sin(angle)))
    return points


def _arrow(thing: Thing) -> list[_Point]:
    r = float(_RADIUS[thing.size or "large"])
    right = [(-r, -r * 0.3), (0.0, -r * 0.3), (0.0, -r * 0.8), (r, 0.0), (0.0, r * 0.8), (0.0, r * 0.3), (-r, r * 0.3)]
    turn = {"right": (1, 0), "down": (0, 1), "left": (-1, 0), "up": (0, -1)}[thing.heading or "right"]
    c, s = turn
    return [(c * x - s * y, s * x + c * y) for x, y in right]


def _draw_sign(pen: ImageDraw.ImageDraw, text: str, colour: tuple[int, int, int], centre: _Point) -> None:
    width = (6 * len(text) - 1) * _GLYPH
    left, top = round(centre[0] - width / 2), round(centre[1] - 7 * _GLYPH / 2)
    board = (centre[0] - 40, centre[1] - 22, centre[0] + 40, centre[1] + 22)
    pen.rectangle(board, fill=colour)
    ink = (0, 0, 0) if colour in (_RGB["yellow"], _RGB["orange"]) else (255, 255, 255)
    for place, letter in enumerate(text):
        for row, dots in enumerate(_DOTS[letter]):
            for column in range(5):
                if dots >> (4 - column) & 1:
                    x, y = left + (6 * place + column) * _GLYPH, top + row * _GLYPH
                    pen.rectangle((x, y, x + _GLYPH - 1, y + _GLYPH - 1), fill=ink)
