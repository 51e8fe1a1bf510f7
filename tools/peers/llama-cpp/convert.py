"""Writes a GGUF file again with its weight matrices in another type.

    python convert.py IN.gguf OUT.gguf --type F32|F16|Q8_0|Q4_0|Q4_1

Needs `gguf` and `numpy`. Norm vectors keep their type; with a block type the token embedding stays as it is. Weights are
dequantised first, so Q4_1 -> Q4_0 loses a little: it is meant for races and oracles, not for use.
"""

import argparse

import gguf
import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("source")
parser.add_argument("target")
parser.add_argument("--type", required=True, choices=["F32", "F16", "Q8_0", "Q4_0", "Q4_1"])
arguments = parser.parse_args()

reader = gguf.GGUFReader(arguments.source)
wanted = gguf.GGMLQuantizationType[arguments.type]
architecture = reader.fields["general.architecture"].contents()
writer = gguf.GGUFWriter(arguments.target, architecture)
for name, field in reader.fields.items():
    if name.startswith("GGUF.") or name in ("general.architecture", "general.file_type"):
        continue
    kind = field.types[0]
    writer.add_key_value(name, field.contents(), kind, field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None)
blocks = wanted not in (gguf.GGMLQuantizationType.F32, gguf.GGMLQuantizationType.F16)
for tensor in reader.tensors:
    keep = len(tensor.shape) < 2 or (blocks and tensor.name == "token_embd.weight")
    if keep:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    else:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        writer.add_tensor(tensor.name, gguf.quants.quantize(values, wanted), raw_dtype=wanted)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
