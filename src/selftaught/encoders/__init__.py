"""Networks from tokens or pictures to vectors, and adapters for other people's."""

from selftaught.encoders.conv import ConvNet
from selftaught.encoders.dilated import Dilated
from selftaught.encoders.huggingface import HuggingFace
from selftaught.encoders.mlp import MLP
from selftaught.encoders.own import Own
from selftaught.encoders.resnet import ResNet
from selftaught.encoders.timm import Timm
from selftaught.encoders.transformer import Transformer

AnyEncoder = ConvNet | ResNet | Transformer | Timm | Own | MLP | HuggingFace | Dilated

__all__ = ["MLP", "AnyEncoder", "ConvNet", "Dilated", "HuggingFace", "Own", "ResNet", "Timm", "Transformer"]
