"""What the peers do in the benchmarks; runs in the peers' environment, started by bench_*.py, one system a process.

Written against the peers' public interfaces; settings are those of their own examples unless said otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import ledger

os.environ.update(ledger.environment())

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SKIP = 3
"""Steps at the start that do not count: allocation, kernel choice, filling of the loaders."""


def simclr_rows(stamps: list[float], began: float, batch: int, steps: int) -> list[dict[str, object]]:
    """img/s from the median step, and over everything from the files on."""
    seconds = [after - before for before, after in zip(stamps[SKIP:-1], stamps[SKIP + 1 :], strict=True)]
    return [
        {"metric": "steady state", "value": batch / statistics.median(seconds), "unit": "img/s"},
        {
            "metric": f"{steps} steps, everything included",
            "value": batch * steps / (time.perf_counter() - began),
            "unit": "img/s",
        },
    ]


def simclr_lightly(options: argparse.Namespace) -> None:
    """lightly's SimCLR example: ResNet-18, projection head 512-512-128, NT-Xent, SGD 0.06, PIL views by two workers."""
    import torchvision
    from lightly.loss import NTXentLoss
    from lightly.models.modules import SimCLRProjectionHead
    from lightly.transforms import SimCLRTransform

    torch.manual_seed(options.repeat)
    backbone = torchvision.models.resnet18()
    backbone.fc = nn.Identity()
    if options.stem == "cifar":
        backbone.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
        backbone.maxpool = nn.Identity()
    model = nn.Sequential(backbone, SimCLRProjectionHead(512, 512, 128)).train()
    criterion, optimiser = NTXentLoss(), torch.optim.SGD(model.parameters(), lr=0.06)
    began = time.perf_counter()
    pictures = torchvision.datasets.ImageFolder(options.data, SimCLRTransform(input_size=32, gaussian_blur=0.0))
    loader = torch.utils.data.DataLoader(
        pictures, batch_size=options.batch, shuffle=True, drop_last=True, num_workers=options.workers
    )
    stamps: list[float] = []
    while len(stamps) < options.steps:
        for (first, second), _ in loader:
            with torch.autocast("cpu", torch.bfloat16, enabled=options.precision == "bf16"):
                seen = model(first), model(second)
            criterion(seen[0].float(), seen[1].float()).backward()
            optimiser.step()
            optimiser.zero_grad()
            stamps.append(time.perf_counter())
            if len(stamps) == options.steps:
                break
    ledger.answer(simclr_rows(stamps, began, options.batch, options.steps), ("lightly", "torchvision"))


def simclr_lightly_train(options: argparse.Namespace) -> None:
    """lightly-train's SimCLR on torchvision/resnet18, blur off as in lightly's example; timed by torch's own hook."""
    import lightly_train
    from torch.optim.optimizer import register_optimizer_step_post_hook

    stamps: list[float] = []
    register_optimizer_step_post_hook(lambda *_: stamps.append(time.perf_counter()))
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as place:
        lightly_train.pretrain(
            out=f"{place}/out",
            data=options.data,
            model="torchvision/resnet18",
            method="simclr",
            batch_size=options.batch,
            num_workers=options.workers,
            epochs=1_000,
            accelerator="cpu",
            devices=1,
            precision={"fp32": "32-true", "bf16": "bf16-mixed"}[options.precision],
            seed=options.repeat,
            transform_args={"image_size": (32, 32), "gaussian_blur": None},
            trainer_args={"max_steps": options.steps, "max_epochs": None},
        )
    rows = simclr_rows(stamps, began, options.batch, options.steps)
    ledger.answer(rows, ("lightly-train", "torchvision"))


class LightlyMAE(nn.Module):
    """MAE of lightly's parts: timm trunk, decoder over all tokens, prediction at the hidden ones."""

    def __init__(self, width: int, depth: int, heads: int, decoder: tuple[int, int, int]) -> None:
        super().__init__()
        from lightly.models.modules import MaskedVisionTransformerDecoderTIMM, MaskedVisionTransformerTIMM
        from timm.models.vision_transformer import VisionTransformer

        trunk = VisionTransformer(patch_size=16, embed_dim=width, depth=depth, num_heads=heads, num_classes=0)
        self.backbone = MaskedVisionTransformerTIMM(vit=trunk)
        self.count = self.backbone.sequence_length
        self.enter = nn.Linear(width, decoder[0])
        self.decoder = MaskedVisionTransformerDecoderTIMM(
            num_patches=self.count - 1,
            embed_dim=decoder[0],
            depth=decoder[1],
            num_heads=decoder[2],
            num_prefix_tokens=1,
            mlp_ratio=4.0,
            proj_drop_rate=0.0,
            attn_drop_rate=0.0,
        )
        self.leave = nn.Linear(decoder[0], 3 * 16 * 16)

    def forward(self, pictures: Tensor) -> Tensor:
        """The mean squared error at the hidden patches."""
        from lightly.models import utils

        rows = len(pictures)
        keep, hidden = utils.random_token_mask(size=(rows, self.count), mask_ratio=0.75, device=pictures.device)
        seen = self.enter(self.backbone.encode(images=pictures, idx_keep=keep))
        tokens = seen.new_zeros(rows, self.count, seen.shape[-1])
        tokens = self.decoder(utils.set_at_index(tokens, keep, seen), idx_mask=hidden)
        prediction = self.leave(utils.get_at_index(tokens, hidden))
        target = utils.get_at_index(utils.patchify(pictures, 16), hidden - 1)
        return F.mse_loss(prediction.float(), target)


def mae_lightly(options: argparse.Namespace) -> None:
    """A training step of lightly's MAE with equal sizes."""
    model = LightlyMAE(*options.encoder, decoder=options.decoder).train()
    time_mae(options, model, model, ("lightly", "timm"))


def mae_transformers(options: argparse.Namespace) -> None:
    """A training step of transformers' ViTMAE with equal sizes and normalised targets."""
    from transformers import ViTMAEConfig, ViTMAEForPreTraining

    width, depth, heads = options.encoder
    wide, deep, many = options.decoder
    config = ViTMAEConfig(
        hidden_size=width,
        num_hidden_layers=depth,
        num_attention_heads=heads,
        intermediate_size=4 * width,
        decoder_hidden_size=wide,
        decoder_num_hidden_layers=deep,
        decoder_num_attention_heads=many,
        decoder_intermediate_size=4 * wide,
        norm_pix_loss=True,
    )
    model = ViTMAEForPreTraining(config).train()
    time_mae(options, model, lambda pictures: model(pixel_values=pictures).loss, ("transformers",))


def time_mae(
    options: argparse.Namespace, model: nn.Module, loss: Callable[[Tensor], Tensor], packages: tuple[str, ...]
) -> None:
    """img/s of the median step on random pictures that lie in memory: forward, backward, AdamW."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=1.5e-4)
    pictures = torch.randn(options.batch, 3, 224, 224)
    seconds = []
    for _ in range(options.steps + SKIP):
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=options.precision == "bf16"):
            value = loss(pictures)
        value.backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        seconds.append(time.perf_counter() - start)
    rate = options.batch / statistics.median(seconds[SKIP:])
    ledger.answer([{"metric": "training step", "value": rate, "unit": "img/s"}], packages)


def bert_small(size: int) -> object:
    """The configuration of BERT-small for a vocabulary of `size` pieces and rows of 128."""
    from transformers import BertConfig

    return BertConfig(
        vocab_size=size,
        hidden_size=512,
        num_hidden_layers=4,
        num_attention_heads=8,
        intermediate_size=2048,
        max_position_embeddings=128,
        pad_token_id=0,
    )


def masked_transformers(options: argparse.Namespace) -> None:
    """transformers' Trainer on BertForMaskedLM with its collator; useful tokens of a step over its seconds."""
    import transformers

    torch.manual_seed(options.repeat)
    folder = Path(options.data)
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"), pad_token="<pad>", eos_token="<end>", mask_token="[MASK]"
    )
    texts = json.loads((folder / "texts.json").read_text(encoding="utf-8"))
    ids = tokenizer(texts, add_special_tokens=False)["input_ids"]
    rows = [row[:128] for row in ids if row]
    if options.packed:
        flat = [piece for row in ids for piece in row]
        rows = [flat[start : start + 128] for start in range(0, len(flat) - 128, 128)]
    usual = statistics.fmean(map(len, rows))
    stamps, useful = [], []

    class Timed(transformers.TrainerCallback):
        def on_step_end(self, *_: object, **__: object) -> None:
            stamps.append(time.perf_counter())

    collate = transformers.DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15)

    def counted(batch: list) -> dict:
        useful.append(sum(len(each["input_ids"]) for each in batch))
        return collate(batch)

    with tempfile.TemporaryDirectory() as place:
        settings = transformers.TrainingArguments(
            place,
            max_steps=options.steps + SKIP,
            per_device_train_batch_size=round(4_096 / usual),
            learning_rate=1e-4,
            bf16=options.precision == "bf16",
            use_cpu=True,
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
        )
        transformers.Trainer(
            model=transformers.BertForMaskedLM(bert_small(len(tokenizer))),
            args=settings,
            data_collator=counted,
            train_dataset=[{"input_ids": row} for row in rows],
            callbacks=[Timed()],
        ).train()
    seconds = [after - before for before, after in zip(stamps[SKIP:-1], stamps[SKIP + 1 :], strict=True)]
    rate = statistics.fmean(useful[: len(stamps)]) / statistics.median(seconds)
    ledger.answer([{"metric": "views and step", "value": rate, "unit": "tokens/s"}], ("transformers", "accelerate"))


SYSTEMS = {
    "masked-transformers": masked_transformers,
    "simclr-lightly": simclr_lightly,
    "simclr-lightly-train": simclr_lightly_train,
    "mae-lightly": mae_lightly,
    "mae-transformers": mae_transformers,
}


def sizes(text: str) -> tuple[int, int, int]:
    """Width, depth and heads, written 192x12x3."""
    width, depth, heads = (int(part) for part in text.split("x"))
    return width, depth, heads


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("system", choices=sorted(SYSTEMS))
    parser.add_argument("--data")
    parser.add_argument("--stem", choices=("imagenet", "cifar"), default="imagenet")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--packed", action="store_true")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--encoder", type=sizes, default=(192, 12, 3))
    parser.add_argument("--decoder", type=sizes, default=(256, 2, 8))
    parser.add_argument("--repeat", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(ledger.THREADS)
    SYSTEMS[options.system](options)


if __name__ == "__main__":
    main()
