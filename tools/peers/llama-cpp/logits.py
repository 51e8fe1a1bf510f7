"""Writes llama.cpp's next-token distributions on real text, as the golden file of backend-cpu's model test.

    python logits.py MODEL.gguf TEXT.txt OUT.json.gz [--windows 4] [--length 512] [--top 16] [--full LOGITS.f32]

Needs `llama-cpp-python` (0.3.36 made the committed file). The text is cut into windows that do not see each other.
Per position: the `top` likeliest tokens and their log-probabilities. `--full` also writes all logits, raw float32
[windows * length, vocabulary], for tools/peers/llama-cpp/compare-logits.mjs (too large to commit).
"""

import argparse
import base64
import gzip
import hashlib
import json

import llama_cpp
import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("model")
parser.add_argument("text")
parser.add_argument("out")
parser.add_argument("--windows", type=int, default=4)
parser.add_argument("--length", type=int, default=512)
parser.add_argument("--top", type=int, default=16)
parser.add_argument("--full")
parser.add_argument("--source", default="", help="what the text is, for the file")
arguments = parser.parse_args()

llama = llama_cpp.Llama(arguments.model, n_ctx=arguments.length, n_batch=arguments.length, logits_all=True, verbose=False, n_threads=2)
with open(arguments.text, encoding="utf-8") as file:
    tokens = llama.tokenize(file.read().encode(), add_bos=False, special=False)
needed = arguments.windows * arguments.length
if len(tokens) < needed:
    raise SystemExit(f"The text has {len(tokens)} tokens, {needed} are needed.")
rows = []
for window in range(arguments.windows):
    llama.reset()
    llama.eval(tokens[window * arguments.length : (window + 1) * arguments.length])
    rows.append(np.array(llama.scores[: arguments.length], dtype=np.float32))
logits = np.concatenate(rows)
if arguments.full:
    logits.tofile(arguments.full)
top = np.argsort(-logits, axis=1, kind="stable")[:, : arguments.top]
wide = logits.astype(np.float64)
highest = wide.max(axis=1, keepdims=True)
log_sum = highest + np.log(np.exp(wide - highest).sum(axis=1, keepdims=True))
logprobs = np.take_along_axis(wide, top, axis=1) - log_sum


def encode(array):
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


with open(arguments.model, "rb") as file:
    model_hash = hashlib.file_digest(file, "sha256").hexdigest()
document = {
    "about": "llama.cpp's likeliest next tokens on real text",
    "llamaCppPython": llama_cpp.__version__,
    "modelSha256": model_hash,
    "source": arguments.source,
    "windows": arguments.windows,
    "length": arguments.length,
    "top": arguments.top,
    "tokens": encode(np.array(tokens[:needed], dtype="<i4")),
    "topTokens": encode(top.astype("<i4")),
    "topLogprobs": encode(logprobs.astype("<f4")),
}
with gzip.GzipFile(arguments.out, "wb", mtime=0) as file:
    file.write(json.dumps(document).encode())
