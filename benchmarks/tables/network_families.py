"""The networks that `network_coverage` goes through, and the smallest input each works at."""

FAMILIES = (
    "resnet18", "mobilenet_v2", "vit_b_32", "convnext_tiny", "swin_t", "mobilenet_v3_small",
    "efficientnet_b0", "shufflenet_v2_x0_5", "squeezenet1_1", "mnasnet0_5", "regnet_x_400mf",
    "regnet_y_400mf", "densenet121", "googlenet", "inception_v3", "swin_v2_t", "maxvit_t",
    "efficientnet_v2_s", "resnext50_32x4d", "wide_resnet50_2", "alexnet", "vgg11", "vgg11_bn",
)  # fmt: skip
"""The smallest member of each family of torchvision's."""

TIMM_FAMILIES = (
    "vit_tiny_patch16_224", "deit_tiny_patch16_224", "swin_tiny_patch4_window7_224",
    "convnext_atto", "convnextv2_atto", "mobilevit_xxs", "mobilevitv2_050", "resnet10t",
    "efficientnet_lite0", "tf_efficientnet_b0", "mobilenetv3_small_050", "mobilenetv4_conv_small",
    "efficientformer_l1", "levit_128s", "edgenext_xx_small", "poolformer_s12", "nf_regnet_b0",
    "resnetv2_50x1_bit", "regnetx_002", "ghostnet_100", "repvgg_a0", "fastvit_t8",
    "tiny_vit_5m_224", "mixer_s32_224", "cait_xxs24_224", "xcit_nano_12_p16_224", "pvt_v2_b0",
    "eva02_tiny_patch14_224", "coatnet_nano_rw_224", "hrnet_w18_small",
)  # fmt: skip
"""The smallest member of thirty families of timm's."""

_INPUTS = {
    "vit_": 224, "maxvit": 224, "swin_v2": 64, "swin_": 32, "inception": 75, "alexnet": 63,
    "deit": 224, "eva02": 224, "mixer": 224, "cait": 224, "xcit": 224, "levit": 224,
    "coatnet": 224, "efficientformer": 224, "tiny_vit": 224, "swin_tiny": 224, "pvt": 224,
}  # fmt: skip
"""By how the name begins, the longest that fits; 32 where none does."""


def size_of(name: str) -> int:
    """Return the edge of the smallest square image, in pixels, that the network works at."""
    bare = name.removeprefix("timm:")
    fits = [start for start in _INPUTS if bare.startswith(start)]
    return _INPUTS[max(fits, key=len)] if fits else 32
