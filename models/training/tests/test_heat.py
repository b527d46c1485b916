"""The judgement of heat maps: mass is found where it lies, and a map that knows nothing gets the mask's own area."""

import numpy as np

from phantom.heat import judge, widened, window


def test_a_mask_grows_by_its_reach_and_no_further():
    mask = np.zeros((20, 30), bool)
    mask[4, 25] = True
    grown = widened(mask, 3)
    rows, columns = np.nonzero(grown)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (1, 7, 22, 28)
    assert grown.sum() == 49
    assert (widened(mask, 0) == mask).all()


def test_mass_on_the_mask_counts_whole_and_a_flat_map_gets_the_area():
    mask = np.zeros((40, 40), bool)
    mask[10:20, 10:20] = True
    measured = np.ones_like(mask)
    heat = np.where(widened(mask, 4), 2.0, 0.0) - 0.5 * (np.arange(40) > 35)
    assert judge(heat, measured, mask, 8) == {"share": 1.0, "area": 18 * 18 / 1600, "hit": True}
    flat = judge(np.ones((40, 40)), measured, mask, 8)
    assert np.isclose(flat["share"], flat["area"])
    assert judge(-heat * 0, measured, mask, 8) is None
    assert judge(heat, measured, np.zeros_like(mask), 8) is None


def test_the_window_is_centred_and_cut_as_the_network_sees_it():
    mask = np.zeros((256, 256), bool)
    mask[128, 100:110] = True
    rows, columns = np.nonzero(window(mask, (0.8, 1.25), [192, 192], [1.0, 1.0]))
    # 256 rows of 0.8 mm are 205 mm: the window begins 6 mm down. 256 columns of 1.25 mm are 320 mm: it begins 64 mm in.
    assert set(rows) == {round(128 * 0.8) - (102 - 96)}
    assert abs(columns.min() - (125 - 64)) <= 1 and abs(columns.max() - (136.25 - 64)) <= 1
    wide = window(np.ones((100, 300), bool), (1.0, 1.0), [192, 192], [1.0, 1.0])
    assert wide.sum() == 100 * 192
