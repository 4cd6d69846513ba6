"""The adapter of transformers' text models: the only file that knows transformers.

Shape letters: B rows, N tokens, M documents, K tokens of the longest, D width.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, cast

import torch
from jaxtyping import Int
from torch import Tensor, nn

from selftaught.core.batch import Batch, document_index
from selftaught.core.encoder import Attend, Encoded, Encoder, EncoderConfig
from selftaught.core.errors import IllegalPair, MissingExtra, RunError, UsageError
from selftaught.core.modality import Fitted, Modality
from selftaught.core.tokens import Tokens, pool_segments, tokens_of
from selftaught.layers.attention import attention_pattern

Kind = Literal["bert", "roberta", "distilbert", "modernbert", "longformer", "gpt2"]

USUAL = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
KINDS: dict[str, tuple[str, str, str, str]] = {
    "bert": USUAL,
    "roberta": USUAL,
    "distilbert": ("dim", "n_layers", "n_heads", "hidden_dim"),
    "modernbert": USUAL,
    "longformer": USUAL,
    "gpt2": ("n_embd", "n_layer", "n_head", "n_inner"),
}
"""The kinds that are served, and what each calls width, depth, heads and the MLP's width."""

DROPOUTS: dict[str, tuple[str, ...]] = {
    "bert": ("hidden_dropout_prob", "attention_probs_dropout_prob"),
    "roberta": ("hidden_dropout_prob", "attention_probs_dropout_prob"),
    "longformer": ("hidden_dropout_prob", "attention_probs_dropout_prob"),
    "distilbert": ("dropout", "attention_dropout"),
    "modernbert": ("embedding_dropout", "mlp_dropout", "attention_dropout"),
    "gpt2": ("resid_pdrop", "embd_pdrop", "attn_pdrop"),
}
SPECIALS: dict[str, tuple[str, ...]] = {"modernbert": ("cls", "sep"), "longformer": ("sep",)}
WINDOWS = {"longformer": "attention_window", "modernbert": "local_attention"}
POOLERS = frozenset({"bert", "roberta", "longformer"})
OFFSETS = frozenset({"roberta", "longformer"})
"""Kinds whose first position comes after the number of the padding piece."""

HUB = "hub:"
"""What `--from` begins with where weights come from the hub, so that nothing is fetched by accident."""

WEIGHTS = ("model.safetensors", "pytorch_model.bin")


@dataclass(frozen=True, kw_only=True)
class HuggingFace(EncoderConfig):
    """A text model of transformers, freshly initialised; weights come with `--from FOLDER` or `--from hub:NAME`.

    kind: which model. settings: a whole config.json as text, as `HuggingFace.of` reads it from a folder or the hub;
    the options below are then not used. width, depth, heads, ratio, dropout: of a model made from scratch, whose
    vocabulary and positions are the data's. window: tokens that a layer with local attention sees, an even number.

    The pooled vector is the mean of a document's tokens: no special tokens are added. Muon sets the scale of every
    matrix, which undoes loaded weights, so train with the optimiser adamw after `--from`.
    """

    kind: Kind = "bert"
    settings: str | None = None
    width: int = 192
    depth: int = 4
    heads: int = 3
    ratio: float = 4.0
    dropout: float = 0.1
    window: int = 128

    can: ClassVar[frozenset[str]] = frozenset({"tokens", "drop", "causal", "layers"})
    layout: ClassVar[Literal["any", "picture", "columns", "words"]] = "words"

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise UsageError(f"HuggingFace.heads, {self.heads}, must divide HuggingFace.width, {self.width}.")
        if self.window < 2 or self.window % 2:
            raise UsageError(f"HuggingFace.window must be an even number of tokens; got {self.window}.")
        if self.kind == "longformer":
            # Its window looks both ways. Of this object alone: the class is asked where no kind is known yet.
            object.__setattr__(self, "can", HuggingFace.can - {"causal"})

    @classmethod
    def of(cls, name: str) -> HuggingFace:
        """The model that a kind, a local folder or a name on the hub stands for. Raises UsageError for all others."""
        if name in KINDS:
            return cls(kind=cast(Kind, name))
        try:
            content = _transformers().AutoConfig.from_pretrained(name).to_dict()
        except (OSError, ValueError) as problem:
            reason = str(problem).strip().splitlines()[0]
            raise UsageError(f"huggingface:{name} is no kind, folder or name of a model: {reason}") from problem
        kind = str(content.get("model_type"))
        if kind not in KINDS:
            raise UsageError(f"huggingface:{name} is a {kind}; served are {', '.join(KINDS)}.")
        return cls(kind=cast(Kind, kind), settings=json.dumps(content, sort_keys=True, default=str))

    def build(self, modality: Modality, fitted: Fitted) -> Encoder:
        """The model, drawn from torch's global generator.

        Raises IllegalPair for what is not text, UsageError where vocabulary or rows are larger than the model's.
        """
        if modality.layout != "words":
            raise IllegalPair(
                f"huggingface:{self.kind} reads pieces of text, not {modality.name}; use the encoder 'transformer' "
                f"instead."
            )
        size, length = int(fitted.facts["size"]), int(fitted.facts["length"])
        config = self._from_settings(size, length) if self.settings else self._from_scratch(size, length)
        if "use_cache" in config.to_dict():
            config.use_cache = False  # keys and values would be kept for nothing
        options: dict[str, Any] = {"dtype": torch.float32}
        if self.kind != "longformer":
            options["attn_implementation"] = "sdpa"
        if self.kind in POOLERS:
            options["add_pooling_layer"] = False
        return HuggingFaceEncoder(self, _transformers().AutoModel.from_config(config, **options))

    def _from_scratch(self, size: int, length: int) -> Any:
        sizes = (self.width, self.depth, self.heads, round(self.width * self.ratio))
        values: dict[str, Any] = dict(zip(KINDS[self.kind], sizes, strict=True))
        values |= dict.fromkeys(DROPOUTS[self.kind], self.dropout)
        values |= {f"{name}_token_id": 0 for name in ("pad", "bos", "eos", *SPECIALS.get(self.kind, ()))}
        values |= {"n_positions" if self.kind == "gpt2" else "max_position_embeddings": length + 2, "vocab_size": size}
        if self.kind in WINDOWS:
            values[WINDOWS[self.kind]] = self.window
        return _transformers().AutoConfig.for_model(self.kind, **values)

    def _from_settings(self, size: int, length: int) -> Any:
        config = type(_transformers().AutoConfig.for_model(self.kind)).from_dict(json.loads(self.settings or "{}"))
        if config.vocab_size < size:
            raise UsageError(
                f"the model has {config.vocab_size:,} pieces, the data {size:,}. Read the data with the model's own "
                f"pieces: --set modality.tokenizer=FOLDER/tokenizer.json."
            )
        room = config.max_position_embeddings - _offset(self.kind, config)
        if room < length:
            raise UsageError(
                f"the model has {room:,} positions, rows of the data {length:,} tokens; use --set "
                f"modality.length={room}."
            )
        return config


class HuggingFaceEncoder(Encoder):
    """A model of transformers behind the encoder protocol."""

    def __init__(self, config: HuggingFace, model: nn.Module) -> None:
        super().__init__()
        self.can = config.can
        self.kind = config.kind
        self.model = model
        settings: Any = model.config
        self.settings = settings
        self.dim, self.depth = int(settings.hidden_size), int(settings.num_hidden_layers)

    def encode(self, batch: Batch, layers: Sequence[int] = ()) -> Encoded:
        """All tokens through the model."""
        return self.forward(self.tokenize(batch), layers=layers)

    def tokenize(self, batch: Batch) -> Tokens:
        """The model's own vectors of the pieces; no positions yet."""
        if not isinstance(batch.x, Tensor):
            raise UsageError("The encoder reads views; call Text.augment(batch, View(kind='clean'), rng) first.")
        content: Tensor = self.model.get_input_embeddings()(batch.x)  # type: ignore[operator]
        return tokens_of(batch, content)

    def forward(self, tokens: Tokens, attend: Attend = "full", layers: Sequence[int] = ()) -> Encoded:
        """Positions and blocks; gpt2 looks back only, whatever is asked. Raises IllegalPair for what it cannot do."""
        if attend == "local" or (attend == "causal" and "causal" not in self.can):
            raise IllegalPair(f"huggingface:{self.kind} cannot attend {attend!r}; use the encoder 'transformer'.")
        if self.kind == "longformer":
            states = self._run_apart(tokens, bool(layers))
        else:
            look = self._look(tokens, causal=attend == "causal" or self.kind == "gpt2")
            states = self._run(tokens, {"attention_mask": look}, bool(layers))
        content = states[-1]
        pooled = pool_segments(content, tokens.segment, tokens.dense)
        kept = tuple(states[layer + 1] for layer in layers)
        return Encoded(tokens=replace(tokens, content=content), pooled=pooled, layers=kept)

    def _look(self, tokens: Tokens, causal: bool) -> Any:
        """Which token sees which, so that packed documents stay apart; under modernbert's window for some layers."""
        pattern = attention_pattern(tokens.segment, dense=False, causal=causal)
        if self.kind != "modernbert" or pattern is None:
            return pattern
        place = tokens.pos[..., 0]
        near = (place[:, None, :, None] - place[:, None, None, :]).abs() <= self.settings.sliding_window
        return {"full_attention": pattern, "sliding_attention": pattern & near}

    def _run(self, tokens: Tokens, more: dict[str, Any], inner: bool) -> list[Tensor]:
        """The last states; before them, if `inner`, those after the embedding and after each block."""
        offset = _offset(self.kind, self.settings)
        most = int(self.settings.max_position_embeddings) - offset - 1
        place = tokens.pos[..., 0].round().long().clamp(0, most) + offset
        asked = {"output_hidden_states": True} if inner else {}
        out: Any = self.model(inputs_embeds=tokens.content, position_ids=place, **more, **asked)
        return [*(out.hidden_states or ()), out.last_hidden_state] if inner else [out.last_hidden_state]

    def _run_apart(self, tokens: Tokens, inner: bool) -> list[Tensor]:
        """Every document in a row of its own, its first token seen by all: longformer knows no packing."""
        row, column, home = unpack(tokens.segment)
        there = column >= 0
        index = (row, column.clamp(min=0))
        apart = replace(
            tokens,
            content=tokens.content[index],
            segment=there.long(),
            pos=tokens.pos[index],
            origin=tokens.origin[index],
            unit=tokens.unit[index],
            dense=False,
        )
        first = torch.zeros_like(apart.segment)
        first[:, 0] = 1
        looks = {"attention_mask": apart.segment, "global_attention_mask": first}
        document = document_index(tokens.segment).clamp(min=0)
        return [state[document, home] * tokens.valid[..., None] for state in self._run(apart, looks, inner)]


def unpack(segment: Int[Tensor, "b n"]) -> tuple[Int[Tensor, "m k"], Int[Tensor, "m k"], Int[Tensor, "b n"]]:
    """Packed rows as one document a row: the row and the column of every token, and the way back.

    Columns are -1 where a document has no more tokens. The way back: each token's place in its document.
    """
    document = document_index(segment)
    valid = document >= 0
    own = document[valid]
    length = torch.bincount(own, minlength=len(segment))
    # Documents stand in row order, so each one's tokens follow the last one's.
    place = torch.arange(len(own), device=segment.device) - (length.cumsum(0) - length)[own]
    shape = (len(length), max(1, int(length.max())))
    row, column = torch.zeros(shape, dtype=torch.long, device=segment.device), torch.full(shape, -1).to(segment)
    row[own, place], column[own, place] = valid.nonzero().unbind(1)
    return row, column, torch.zeros_like(document).masked_scatter(valid, place)


def download_weights(name: str) -> Path:
    """The file of weights that `hub:NAME` stands for, from the local cache or the hub. Raises RunError."""
    reason = ""
    for file in WEIGHTS:
        try:
            return Path(_transformers().utils.cached_file(name.removeprefix(HUB), file))
        except OSError as problem:
            reason = reason or str(problem).strip().splitlines()[0]
    raise RunError(f"--from {name} cannot be had: {reason}")


def _transformers() -> Any:
    try:
        import transformers
    except ImportError as missing:
        raise MissingExtra("transformers", "huggingface", "The encoder huggingface") from missing
    return transformers


def _offset(kind: str, config: Any) -> int:
    return int(config.pad_token_id) + 1 if kind in OFFSETS else 0
