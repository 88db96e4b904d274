"""FineRecon (arXiv 2304.01480): pictures, depth and poses to a fine TSDF.

The parts are called one by one when a scan is reconstructed, because pictures come one after the
other; `forward` is the pass over a crop that training runs.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from engine.nets.finerecon.config import FineReconConfig
from engine.nets.finerecon.crop import Crop, Views
from engine.nets.finerecon.features2d import Features2d
from engine.nets.finerecon.guidance import (
    UNSEEN_DENSITY,
    UNSEEN_TSDF,
    counted,
    density_sums,
    depth_weights,
    fill,
    guidance_sums,
    signed_voxels,
)
from engine.nets.finerecon.heads import Fusion, point_mlp, predictor
from engine.nets.finerecon.projection import feature_sums, mean, world_to_camera
from engine.nets.finerecon.unet3d import UNet3d
from engine.nets.finerecon.volumes import read_nearest, read_trilinear

# Training trusts a voxel that so many views see; inference is content with one.
TRUSTED_VIEWS = 2


class PointSamples(NamedTuple):
    """What pictures and depth say at world points: means over the views that see them."""

    image_mean_bcn: Tensor
    count_bn: Tensor
    guidance_bn: Tensor
    depths_bn: Tensor


class CropResult(NamedTuple):
    """Logits at the query points, what the losses mask by, and what lies between.

    `image_feat_bcn` is None in a network without point back-projection.
    """

    bn_mean_bcxyz: Tensor
    guidance_bxyz: Tensor
    unet_bcxyz: Tensor
    is_trusted_bn: Tensor
    is_seen_bn: Tensor
    image_feat_bcn: Tensor | None
    voxel_feat_bcn: Tensor
    guidance_bn: Tensor
    tsdf_logits_bn: Tensor
    occ_logits_bn: Tensor


class FineRecon(nn.Module):
    """The whole network; attribute names are those of the published weights."""

    def __init__(self, config: FineReconConfig) -> None:
        super().__init__()
        self.config = config
        c = config.image_feature_dim
        self.cnn2d = Features2d(config)
        self.fusion = Fusion(3, c)
        self.cnn3d = UNet3d(config)
        if config.point_backprojection:
            self.cnn2d_pb = Features2d(config)
            self.point_feat_mlp = point_mlp(c, config.point_blocks)
            self.point_fusion = Fusion(1, c)
        width, blocks = config.head_width, config.head_blocks
        self.surface_predictor = predictor(config.surface_in_channels, width, blocks)
        self.occ_predictor = predictor(config.unet_up_widths[-1], width, blocks)
        if config.is_residual:
            for values in self.surface_predictor[-1].parameters():
                nn.init.zeros_(values)

    # The parts, for one scene.

    def coarse_features(self, images_v3hw: Tensor) -> Tensor:
        """Return features (v, c, h/4, w/4) for the volume, of pictures with values 0..1."""
        features: Tensor = self.cnn2d(images_v3hw)
        return features

    def fine_features(self, images_v3hw: Tensor) -> Tensor:
        """Return features (v, c, h/4, w/4) for single points, of pictures with values 0..1."""
        features: Tensor = self.cnn2d_pb(images_v3hw)
        return features

    def guidance_sums(
        self,
        depth_vhw: Tensor,
        points_n3: Tensor,
        K_depth_33: Tensor,
        T_cam_world_v44: Tensor,
        seen_vn: Tensor | None = None,
        *,
        at_points: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """Return sums and counts (n) of this network's kind of guidance, of voxels or of points."""
        given = depth_vhw, points_n3, K_depth_33, T_cam_world_v44
        if self.config.guidance == "density":
            return density_sums(*given, math.sqrt(3) / 2 * self.config.voxel_m, seen_vn)
        falloff = self.config.point_falloff if at_points else 0.0
        return guidance_sums(*given, self.config.guidance_margin_m, seen_vn, falloff)

    @property
    def unseen(self) -> float:
        """Return the guidance where no depth counts."""
        return UNSEEN_DENSITY if self.config.guidance == "density" else UNSEEN_TSDF

    def volume_input(
        self,
        mean_cxyz: Tensor,
        guidance_xyz: Tensor,
        depths_xyz: Tensor | None = None,
        views_xyz: Tensor | None = None,
    ) -> Tensor:
        """Return the input (c+1, x, y, z) of the 3D network: normed means over views, guidance.

        Guidance has the value `unseen` where no depth counts; a network without it ignores it. One
        with `counts_views` also needs how many depth maps counted, and how many pictures.
        """
        channels = [guidance_xyz]
        if self.config.counts_views:
            assert depths_xyz is not None
            assert views_xyz is not None
            channels += [counted(depths_xyz), counted(views_xyz)]
        return self._with_guidance(self.fusion.bn(mean_cxyz[None]), torch.stack(channels)[None])[0]

    def unet(self, volume_input_cxyz: Tensor) -> Tensor:
        """Return voxel features (c', x, y, z)."""
        features: Tensor = self.cnn3d(volume_input_cxyz[None])
        return features[0]

    def occupancy(self, features_cn: Tensor) -> Tensor:
        """Return logits (n) of voxel features: above 0, a voxel is worth refining."""
        return self._occupancy(features_cn[None])[0]

    def surface(self, image_mean_cn: Tensor, voxel_cn: Tensor, guidance_n: Tensor) -> Tensor:
        """Return logits (n) whose tanh is the TSDF, positive in free space.

        Takes means over views of the fine features, voxel features between the voxels, and
        guidance at the points; what the configuration does without is ignored.
        """
        image = None
        if self.config.point_backprojection:
            image = self.point_features(self.point_norm(image_mean_cn))[None]
        return self._surface(image, voxel_cn[None], guidance_n[None])[0]

    def point_norm(self, image_mean_cn: Tensor) -> Tensor:
        """Return the normed means (c, n) over views at points."""
        normed: Tensor = self.point_fusion.bn(image_mean_cn[None])
        return normed[0]

    def point_features(self, normed_cn: Tensor) -> Tensor:
        """Return (c, n): what the surface predictor sees of the pictures."""
        features: Tensor = self.point_feat_mlp(normed_cn[None])
        return features[0]

    # The pass over crops, in batches.

    def forward(self, views: Views, crop: Crop, query_bn3: Tensor) -> CropResult:
        """Return predictions at world points, each scene from its own crop."""
        voxel_m = self.config.voxel_m
        coarse = _per_scene(self.cnn2d, views.images_bv3hw)
        voxels = self.points(
            views, coarse, crop.voxels(voxel_m), border_weighted=False, are_voxels=True
        )
        grid = (-1, *crop.dims)
        bn_mean = self.fusion.bn(voxels.image_mean_bcn.view(len(query_bn3), *grid))
        channels = [voxels.guidance_bn]
        if self.config.counts_views:
            channels += [counted(voxels.depths_bn), counted(voxels.count_bn)]
        known = torch.stack(channels, 1).view(-1, len(channels), *crop.dims)
        unet = self.cnn3d(self._with_guidance(bn_mean, known))

        trusted = (voxels.count_bn >= TRUSTED_VIEWS).float().view(grid)
        voxel_feat, is_trusted = _read(unet, trusted, crop.inside(query_bn3, voxel_m), voxel_m)
        points, image_feat = self._query(views, coarse, query_bn3)
        return CropResult(
            bn_mean_bcxyz=bn_mean,
            guidance_bxyz=voxels.guidance_bn.view(grid),
            unet_bcxyz=unet,
            is_trusted_bn=is_trusted,
            is_seen_bn=points.count_bn > 0,
            image_feat_bcn=image_feat,
            voxel_feat_bcn=voxel_feat,
            guidance_bn=points.guidance_bn,
            tsdf_logits_bn=self._surface(image_feat, voxel_feat, points.guidance_bn),
            occ_logits_bn=self._occupancy(voxel_feat),
        )

    def points(
        self,
        views: Views,
        features_bvchw: Tensor,
        points_bn3: Tensor,
        border_weighted: bool,
        are_voxels: bool = False,
    ) -> PointSamples:
        """Return the means over all views at world points, or at voxels."""
        hw = (views.images_bv3hw.shape[-2], views.images_bv3hw.shape[-1])
        T_cam_world_bv44 = world_to_camera(views.T_world_cam_bv44)
        rows = []
        for b, points in enumerate(points_bn3):
            T, K = T_cam_world_bv44[b], views.K_color_b33[b]
            measured = views.depth_bvhw[b], points, views.K_depth_b33[b], T
            weights = depth_weights(*measured, self.config.bp_weighting)
            total, count = feature_sums(
                features_bvchw[b], points, K, hw, T, border_weighted, weights
            )
            signed, depths = self.guidance_sums(*measured, at_points=not are_voxels)
            guidance = fill(signed, depths, self.unseen)
            rows.append(PointSamples(mean(total, count), count, guidance, depths))
        return PointSamples(*map(torch.stack, zip(*rows, strict=True)))

    def _query(
        self, views: Views, coarse_bvchw: Tensor, query_bn3: Tensor
    ) -> tuple[PointSamples, Tensor | None]:
        """Return samples and image features at the query points.

        The border weight belongs to the fine branch outside training.
        """
        if not self.config.point_backprojection:
            return self.points(views, coarse_bvchw, query_bn3, border_weighted=False), None
        fine = _per_scene(self.cnn2d_pb, views.images_bv3hw)
        points = self.points(views, fine, query_bn3, border_weighted=not self.training)
        return points, self.point_feat_mlp(self.point_fusion.bn(points.image_mean_bcn))

    def _with_guidance(self, bn_mean_bcxyz: Tensor, known_bcxyz: Tensor) -> Tensor:
        if self.config.guidance == "none":
            return bn_mean_bcxyz
        return torch.cat([bn_mean_bcxyz, known_bcxyz.to(bn_mean_bcxyz)], dim=1)

    def _occupancy(self, voxel_bcn: Tensor) -> Tensor:
        logits: Tensor = self.occ_predictor(voxel_bcn)
        return logits[:, 0].float()

    def _surface(self, image_bcn: Tensor | None, voxel_bcn: Tensor, guidance_bn: Tensor) -> Tensor:
        """Predict from fine, voxel and guidance, in this order."""
        parts = [voxel_bcn] if image_bcn is None else [image_bcn, voxel_bcn]
        if self.config.point_guidance:
            parts.append(guidance_bn[:, None])
        logits: Tensor = self.surface_predictor(torch.cat(parts, dim=1))[:, 0].float()
        if self.config.is_residual:
            return logits + signed_voxels(guidance_bn, self.config.guidance_margin_vox)
        return logits


def _per_scene(network: nn.Module, images_bv3hw: Tensor) -> Tensor:
    """Run a 2D network over the views of all scenes at once."""
    features: Tensor = network(images_bv3hw.flatten(0, 1))
    return features.view(*images_bv3hw.shape[:2], *features.shape[1:])


def _read(
    unet_bcxyz: Tensor, trusted_bxyz: Tensor, local_bn3: Tensor, voxel_m: float
) -> tuple[Tensor, Tensor]:
    """Return voxel features (b, c, n) and whether the nearest voxel is trusted (b, n)."""
    features, trusted = [], []
    for volume, is_trusted, points in zip(unet_bcxyz, trusted_bxyz, local_bn3, strict=True):
        origin = torch.zeros_like(points[0])
        features.append(read_trilinear(volume, points, origin, voxel_m))
        trusted.append(read_nearest(is_trusted[None], points, origin, voxel_m)[0] > 0)
    return torch.stack(features), torch.stack(trusted)
