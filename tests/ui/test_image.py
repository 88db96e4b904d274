import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ui.gl.image import halved


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**31))
def test_half_a_picture_has_the_mean_of_every_four_pixels(height, width, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    small = halved(pixels)
    assert small.shape == (height // 2, width // 2, 3)
    for row in range(height // 2):
        for column in range(width // 2):
            four = pixels[2 * row : 2 * row + 2, 2 * column : 2 * column + 2].reshape(4, 3)
            assert np.abs(small[row, column] - four.mean(axis=0)).max() <= 0.5
