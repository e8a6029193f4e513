"""Finds the few stretches of a boundary that come near a box, without looking at all of it."""

from numba import njit

from geo.kernels.fence_cover import BLOCK, CHAPTER, Shapes

_IN_CHAPTER = CHAPTER // BLOCK


@njit(cache=True, nogil=True)
def next_block(
    shapes: Shapes, block: int, stop: int, west: float, south: float, east: float, north: float
) -> int:
    """The first block from `block` on whose box meets this box; `stop` when none before that does."""
    blocks, chapters = shapes.blocks, shapes.chapters
    while block < stop:
        if block % _IN_CHAPTER == 0:
            chapter = block // _IN_CHAPTER
            beside = (chapters[chapter, 0] > east) | (chapters[chapter, 2] < west)
            if beside | (chapters[chapter, 1] > north) | (chapters[chapter, 3] < south):
                block += _IN_CHAPTER
                continue
        beside = (blocks[block, 0] > east) | (blocks[block, 2] < west)
        if not (beside | (blocks[block, 1] > north) | (blocks[block, 3] < south)):
            return block
        block += 1
    return stop
