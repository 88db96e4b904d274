"""Spool, Lately and Packed: what is kept, and how exactly."""

import numpy as np
import pytest
import torch

from engine.recon.lately import Lately
from engine.recon.packed import Packed
from engine.recon.spool import Spool
from engine.volume.pool import OutOfRoom

KB = 1 / 1024


def picture(number):
    return np.full(256, number, np.float32)


def spool(kilobytes):
    return Spool(kilobytes * KB, lambda item: item.nbytes)


def test_records_beyond_the_ceiling_come_back_from_the_file_bit_for_bit():
    kept = spool(3)
    for number in range(10):
        kept.put(number, picture(number))
        assert kept.used_mb <= 3 * KB
    assert kept.on_disk_mb > 6 * KB
    for number in (0, 9, 3, 0):
        assert (kept.get(number) == picture(number)).all()
        assert kept.used_mb <= 3 * KB
    kept.close()
    assert kept.used_mb == kept.on_disk_mb == 0


def test_the_file_does_not_grow_while_records_only_come_and_go():
    kept = spool(2)
    for number in range(4):
        kept.put(number, picture(number))
    once = kept.on_disk_mb
    for number in range(4, 400):
        kept.put(number, picture(number))
        kept.get(number - 3)
        kept.drop(number - 4)
    assert kept.on_disk_mb < 3 * once
    kept.close()


def test_a_record_put_again_is_the_new_one_even_after_leaving_memory():
    kept = spool(1)
    kept.put(0, picture(0))
    kept.put(1, picture(1))
    kept.put(0, picture(5))
    kept.get(1)
    assert (kept.get(0) == picture(5)).all()
    kept.drop(0)
    with pytest.raises(KeyError):
        kept.get(0)
    kept.close()


def test_a_full_disk_is_a_readable_fault(monkeypatch):
    def full(**_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    kept = spool(1)
    kept.put(0, picture(0))
    with pytest.raises(OutOfRoom, match="No space left"):
        kept.put(1, picture(1))


def test_what_was_not_used_lately_is_made_again():
    made = []

    def make(number):
        made.append(number)
        return picture(number)

    lately = Lately(2 * KB, lambda item: item.nbytes)
    for number in (0, 1, 0, 2, 0, 1):
        assert lately.get(number, lambda n=number: make(n))[0] == number
        assert lately.used_mb <= 2 * KB
    assert made == [0, 1, 2, 1]
    lately.clear()
    assert lately.used_mb == 0


def test_packed_features_lose_half_a_step_at_most():
    torch.manual_seed(0)
    features = torch.randn(5, 12, 16) * torch.tensor([1e-3, 1, 50, 0, 7])[:, None, None] + 3
    packed = Packed.of(features)
    error = (packed.unpacked() - features).abs()
    span = features.amax(dim=(1, 2)) - features.amin(dim=(1, 2))
    assert (error.amax(dim=(1, 2)) <= span / 65534 * 0.51 + 2e-6 * features.abs().amax()).all()
    assert packed.nbytes == features.nelement() * 2
    assert error.mean() < (features.half().float() - features).abs().mean() / 3
