"""Our client before llama-cpp-python's server, over a GGUF file written here: optional, as it is built from source."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from imitative.calls import Call, Message, Service
from imitative.testing.tiny import SPECIAL, byte_tokenizer, tiny_model
from tests.serving import TEMPLATE, asked_twice, running

pytestmark = pytest.mark.slow
ASKED = (Message("user", "Reply with A or B."),)
SAID = range(6)
"""Tokens of a reply."""


def prompt() -> list[int]:
    text = f"user: {ASKED[0].content}\nassistant: "
    return list(byte_tokenizer()(text, add_special_tokens=False)["input_ids"])


def said(model: Any, punished: float = 1.0) -> tuple[str, list[float]]:
    """What the model says, and the log probability of each token, by transformers; with repetition punished."""
    ids, tokenizer, found = prompt(), byte_tokenizer(), []
    for _ in SAID:
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0, -1].double()
        seen = torch.tensor(sorted(set(ids[len(prompt()) :])), dtype=torch.long)
        wanted = logits.clone()
        wanted[seen] = torch.where(logits[seen] > 0.0, logits[seen] / punished, logits[seen] * punished)
        ids.append(int(wanted.argmax()))
        found.append(float(torch.log_softmax(logits, dim=-1)[ids[-1]]))
    return str(tokenizer.decode(ids[-len(SAID) :])), found


@pytest.fixture(scope="module")
def model() -> Any:
    """One of random weights whose words can be seen, and would be others if repetition were punished."""
    for seed in range(1000):
        found: Any = tiny_model(len(byte_tokenizer()), context=1024, seed=seed)
        rows, width = found.get_output_embeddings().weight.shape
        numbers = torch.randn((rows, width), generator=torch.Generator().manual_seed(seed))
        found.config.tie_word_embeddings = False
        found.set_output_embeddings(torch.nn.Linear(width, rows, bias=False))
        found.get_output_embeddings().weight.data = numbers / math.sqrt(width)
        text, _ = said(found)
        visible = len(text) == len(SAID) and text.isascii() and text.isprintable() and " " not in text
        if visible and said(found, punished=1.1)[0] != text:
            return found
    raise AssertionError("no model of a thousand")


def write_gguf(model: Any, path: Path) -> None:
    """The model and its bytes in llama.cpp's own format."""
    import gguf

    config, weights = model.config, {name: w.detach().numpy() for name, w in model.state_dict().items()}
    heads = config.num_attention_heads
    out = gguf.GGUFWriter(path, "llama")
    out.add_context_length(config.max_position_embeddings)
    out.add_embedding_length(config.hidden_size)
    out.add_block_count(config.num_hidden_layers)
    out.add_feed_forward_length(config.intermediate_size)
    out.add_head_count(heads)
    out.add_head_count_kv(heads)
    out.add_layer_norm_rms_eps(config.rms_norm_eps)
    out.add_rope_dimension_count(config.hidden_size // heads)
    out.add_rope_freq_base(10_000.0)
    out.add_vocab_size(config.vocab_size)
    tokenizer = byte_tokenizer()
    words = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().__getitem__)
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre("default")
    out.add_token_list(words)
    out.add_token_types([gguf.TokenType.CONTROL if word in SPECIAL else gguf.TokenType.NORMAL for word in words])
    out.add_token_merges(["Ġ Ġ"])  # llama.cpp wants a list that is not empty; no token is made by this merge
    out.add_eos_token_id(1)
    out.add_bos_token_id(1)
    out.add_add_bos_token(False)
    out.add_chat_template(TEMPLATE)
    out.add_tensor("token_embd.weight", weights["model.embed_tokens.weight"])
    out.add_tensor("output.weight", weights["lm_head.weight"])
    out.add_tensor("output_norm.weight", weights["model.norm.weight"])
    names = {
        "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.o_proj": "attn_output",
        "self_attn.v_proj": "attn_v", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
    }  # fmt: skip
    for i in range(config.num_hidden_layers):
        for theirs, name in names.items():
            out.add_tensor(f"blk.{i}.{name}.weight", weights[f"model.layers.{i}.{theirs}.weight"])
        for side in "qk":  # llama.cpp turns neighbours, transformers turns halves
            w = weights[f"model.layers.{i}.self_attn.{side}_proj.weight"]
            turned = w.reshape(heads, 2, w.shape[0] // heads // 2, w.shape[1]).swapaxes(1, 2).reshape(w.shape)
            out.add_tensor(f"blk.{i}.attn_{side}.weight", np.ascontiguousarray(turned))
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, model: Any) -> Iterator[Service]:
    if find_spec("llama_cpp") is None or find_spec("gguf") is None:
        pytest.skip("llama-cpp-python[server] and gguf are not installed")
    folder = tmp_path_factory.mktemp("llama")
    write_gguf(model, folder / "tiny.gguf")
    command = [sys.executable, "-m", "llama_cpp.server", "--model", str(folder / "tiny.gguf"), "--n_threads", "1"]
    command += ["--n_ctx", "1024", "--model_alias", "tiny"]
    with running(command, "/v1/models", folder / "log") as address:
        yield Service("tiny", f"{address}/v1")


def test_the_servers_log_probabilities_are_the_models(service: Service, model: Any) -> None:
    """It keeps the limit of a reply, counts tokens, and is told not to punish repetition, as it does by itself."""
    asked = Call(service.base_url, service.model, ASKED, len(SAID), alternatives=5)
    completer, reply, again = asked_twice(service, asked)
    text, expected = said(model)
    assert (reply.text, reply.output_tokens, reply.input_tokens) == (text, len(SAID), len(prompt()))
    assert (again.text, again.cached, completer.book.total().calls) == (text, True, 1)
    assert any("repeat_penalty = 1" in note for note in completer.notes)
    assert [token.text for token in reply.tokens] == list(text)
    assert [token.log_probability for token in reply.tokens] == pytest.approx(expected, abs=1e-3)
    assert all(token.log_probability == max(p for _, p in token.alternatives) for token in reply.tokens)
