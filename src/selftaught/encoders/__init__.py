"""Networks from tokens or pictures to vectors, and adapters for other people's."""

from selftaught.encoders.conv import ConvNet
from selftaught.encoders.own import Own
from selftaught.encoders.resnet import ResNet
from selftaught.encoders.timm import Timm
from selftaught.encoders.transformer import Transformer

AnyEncoder = ConvNet | ResNet | Transformer | Timm | Own

__all__ = ["AnyEncoder", "ConvNet", "Own", "ResNet", "Timm", "Transformer"]
