"""--from: weights that exist, whoever made them; what does not fit is named."""

import pytest
import torch
from safetensors.torch import save_file
from tests.engine.making import MODALITY, TRUNK, Desk, recipe_of
from torch import nn

from selftaught.core.errors import RunError, UsageError
from selftaught.core.modality import Fitted
from selftaught.encoders import ResNet, Timm
from selftaught.encoders.start import start_from, starter
from selftaught.engine.loop import train

torchvision = pytest.importorskip("torchvision")


def build(config, seed: int = 7):
    torch.manual_seed(seed)
    return config.build(MODALITY, Fitted())


def save(state, path):
    (save_file if path.suffix == ".safetensors" else torch.save)(state, path)
    return str(path)


@pytest.fixture(scope="module")
def resnet() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return torchvision.models.resnet18(weights=None).state_dict()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_resnet18_of_torchvision_fits_ours(suffix, resnet, tmp_path):
    encoder = build(ResNet(depth=18, stem="imagenet"))
    place = save(resnet, tmp_path / f"resnet18{suffix}")
    started = starter(place)(encoder)
    assert all(torch.equal(value, resnet[name]) for name, value in encoder.state_dict().items())
    assert len(started.matched) == len(encoder.state_dict())
    assert set(started.left_out) == {"fc.weight", "fc.bias"}
    assert started.sentence.startswith(
        f"{place}: all 120 weights of the encoder matched; 2 of the file were left out (fc."
    )


@pytest.mark.parametrize("prefix", ["module.", "backbone.", "encoder.", "module.encoder_q."])
@pytest.mark.parametrize("key", [None, "state_dict", "model"])
def test_prefixes_and_wrappings_are_seen_through(prefix, key, resnet, tmp_path):
    state = {f"{prefix}{name}": value for name, value in resnet.items()}
    place = save(state if key is None else {key: state, "epoch": 3}, tmp_path / "some.pth")
    encoder = build(ResNet(depth=18, stem="imagenet"))
    starter(place)(encoder)
    assert torch.equal(encoder.state_dict()["layer4.1.bn2.weight"], resnet["layer4.1.bn2.weight"])


@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_state_dict_of_timm_fits_its_adapter(prefix, tmp_path):
    timm = pytest.importorskip("timm")
    model = timm.create_model("resnet10t", num_classes=10)
    place = save({f"{prefix}{name}": value for name, value in model.state_dict().items()}, tmp_path / "timm.pth")
    encoder = build(Timm(name="resnet10t"))
    started = starter(place)(encoder)
    assert torch.equal(encoder.state_dict()["model.layer1.0.conv1.weight"], model.state_dict()["layer1.0.conv1.weight"])
    assert {name.removeprefix(prefix) for name in started.left_out} == {"fc.weight", "fc.bias"}


def test_a_run_of_ours_is_a_start(tmp_path):
    desk = Desk.of(tmp_path)
    first = train(desk.job("first"))
    job = desk.job("second", recipe_of(steps=1, seed=5), start=starter(str(tmp_path / "first")))
    encoder = build(TRUNK)
    assert job.start is not None
    started = job.start(encoder)
    found = first.pretrained.encoder.state_dict()
    assert all(torch.equal(value, found[name]) for name, value in encoder.state_dict().items())
    assert started.left_out == ()
    assert train(job).started == started


def test_the_wrong_encoder_is_refused_by_what_does_not_match(resnet):
    with pytest.raises(UsageError, match=r"0 of \d+ weights match; missing stem\.project\.weight") as caught:
        start_from(build(TRUNK), resnet, "resnet18.pth")
    assert "Choose the encoder" in str(caught.value)


def test_another_stem_is_refused_by_its_shapes(resnet):
    with pytest.raises(UsageError, match=r"conv1\.weight is \(64, 3, 7, 7\), needed \(64, 3, 3, 3\)"):
        start_from(build(ResNet(depth=18, stem="cifar")), resnet, "resnet18.pth")


def test_a_deeper_network_does_not_pass_for_a_shallow_one():
    state = torchvision.models.resnet34(weights=None).state_dict()
    with pytest.raises(UsageError, match=r"has \d+ weights that this encoder lacks, such as layer"):
        start_from(build(ResNet(depth=18, stem="imagenet")), state, "resnet34.pth")


def test_what_is_no_file_of_weights_is_refused(tmp_path):
    (tmp_path / "notes.pth").write_text("not weights")
    (tmp_path / "cut.safetensors").write_bytes(b"\x10\0\0\0")
    torch.save({"epoch": 3}, tmp_path / "empty.pth")
    torch.save([torch.ones(1)], tmp_path / "list.pth")
    torch.save(nn.Linear(1, 1), tmp_path / "module.pth")
    for name in ("missing.pth", "notes.pth", "cut.safetensors", "empty.pth", "list.pth", "module.pth"):
        with pytest.raises(RunError, match=f"--from .*{name}"):
            starter(str(tmp_path / name))
