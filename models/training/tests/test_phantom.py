"""Fast checks of the generator, the preprocessing and the growing of the network."""

import numpy as np
import torch

from phantom.acquisition import Scan, to_bytes
from phantom.dataset import make
from phantom.network import SHALLOW, TorsoB4, grow
from phantom.spec import tensor


def test_a_seed_gives_the_same_bytes():
    assert np.array_equal(make(11, 2)[0], make(11, 2)[0])


def test_contrast_changes_blood_and_nothing_of_the_geometry():
    native, enhanced = (Scan(8, e) for e in (False, True))
    assert native.patient.scale == enhanced.patient.scale
    assert native.offset == enhanced.offset and native.noise == enhanced.noise
    assert enhanced.patient.hu["left"] > native.patient.hu["left"] + 40


def test_above_700_hu_becomes_0_hu():
    above, zero, at, air = to_bytes(np.array([701.0, 0.0, 700.0, -2000.0]))
    assert above == zero and (at, air) == (255, 0)


def test_the_grown_network_computes_the_same():
    torch.manual_seed(0)
    thin = TorsoB4(4, SHALLOW).eval()
    x = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(thin(x), grow(thin).eval()(x), atol=1e-5)


def test_a_short_series_slides_the_slab():
    hu = np.zeros((20, 50, 40), np.float32)
    hu[:, 25, 20] = 100
    out = tensor(hu, np.arange(20) * 3.0, (1.0, 1.0))
    assert out.shape == (20, 192, 192)
    assert out[0, 96, 96] == 1.0 and out[0, 0, 0] == 0.0
