"""The coarse volume: image features and guidance of every voxel, through the 3D network."""

from collections.abc import Callable

import torch
from torch import Tensor

from engine.nets.finerecon.guidance import fill
from engine.nets.finerecon.model import FineRecon
from engine.recon.compute import Compute
from engine.recon.gather import Sums, in_picture
from engine.recon.lattice import Lattice
from engine.recon.views import View

# Voxels whose occupancy is asked for at once.
VOXELS_AT_ONCE = 1 << 18


class CoarseVolume:
    """Collects views one by one; then the 3D network sees the whole box at once."""

    def __init__(self, network: FineRecon, lattice: Lattice, compute: Compute) -> None:
        """Start without views."""
        self.lattice = lattice
        self._network = network
        self._compute = compute
        self._points_n3 = lattice.points().to(compute.device)
        channels = network.config.image_feature_dim
        self.sums = Sums.zero(channels, lattice.size, compute.device)

    @torch.no_grad()
    def add(self, view: View, features: Callable[[View], Tensor] | None = None) -> None:
        """Add a view to the voxels inside its photograph.

        A view's depth is ignored outside its photograph too, as the published inference does it.
        Whoever has a view's features at hand gives a way to them; it is used if they are needed.
        """
        here = view.to(self._compute.device)
        at = in_picture(self._points_n3, here)
        if len(at) == 0:
            return
        network, points = self._network, self._points_n3
        read = coarse_features(network, here, self._compute) if features is None else features(here)
        self.sums.add_features(network, read, here, points, at, is_border_weighted=False)
        if here.depth is not None and network.config.guidance != "none":
            self.sums.add_guidance(network, here.depth, points, at)

    def features(self) -> Tensor:
        """Return the 3D network's voxel features (c, x, y, z) float32; ends the collecting.

        The sums of features are let go first, since the network needs the memory.
        """
        volume = volume_input(self._network, self.sums, self.lattice.dims, self._compute)
        self.sums.features_cn = self.sums.features_cn.new_zeros(0)
        return voxel_features(self._network, volume, self._compute)


@torch.no_grad()
def coarse_features(network: FineRecon, view: View, compute: Compute) -> Tensor:
    """Return what the 2D network sees (c, h/4, w/4) in a view that is on the device."""
    with compute.precise():
        return network.coarse_features(view.image_3hw[None].float() / 255)[0]


@torch.no_grad()
def volume_input(
    network: FineRecon, sums: Sums, dims: tuple[int, int, int], compute: Compute
) -> Tensor:
    """Return what the 3D network is told (c, x, y, z) of sums over the voxels of a box."""
    guidance, depths, views = (
        n.view(dims)
        for n in (
            fill(sums.guidance_n, sums.depths_n, network.unseen),
            sums.depths_n,
            sums.views_n,
        )
    )
    with compute.precise():
        return network.volume_input(sums.mean().view(-1, *dims), guidance, depths, views)


@torch.no_grad()
def voxel_features(network: FineRecon, volume_cxyz: Tensor, compute: Compute) -> Tensor:
    """Return the 3D network's features (c, x, y, z), single precision from here on.

    Reading between voxels is geometry.
    """
    with compute.precise():
        return network.unet(volume_cxyz).float()


@torch.no_grad()
def occupancy_logits(network: FineRecon, features_cxyz: Tensor, compute: Compute) -> Tensor:
    """Return (x, y, z) logits: above zero, a voxel is worth refining."""
    flat = features_cxyz.flatten(1)
    with compute.precise():
        logits = [network.occupancy(part) for part in torch.split(flat, VOXELS_AT_ONCE, dim=1)]
    return torch.cat(logits).view(features_cxyz.shape[1:])
