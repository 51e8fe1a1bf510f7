import { writePiecesAtomically } from '../file/write-atomic.js';
import type { Model } from '../model.js';
import { ModelNotWritableError } from '../write/errors.js';
import type { FormWriter, WrittenModelType } from '../write/form-writer.js';
import { storedPieces } from '../write/stored-pieces.js';
import { planTensors } from '../write/tensor-plan.js';
import { encodeGgufHeader, encodeWhole, type GgufEntry } from './encode-header.js';
import { readBesideWeights } from './read-beside-weights.js';

/** `general.file_type` of llama.cpp: ALL_F32, MOSTLY_F16, MOSTLY_Q8_0. */
const fileTypes: Readonly<Record<WrittenModelType, number>> = { F32: 0, F16: 1, Q8_0: 7 };
/** Version of the block formats. */
const quantizationVersion = 2;

/** Writes a model as the GGUF file it came from with other weights: metadata, names and order of the tensors are the source's. */
export async function ggufWriter(source: Model, sourcePath: string, type: WrittenModelType): Promise<FormWriter> {
  const { values, alignment, tensors, tables } = await readBesideWeights(source, sourcePath);
  const plans = new Map(planTensors(source, type).map((plan) => [plan.info.sourceName, plan]));
  const entries = tensors.map((tensor): GgufEntry => {
    const { type: stored, sizeBytes } = plans.get(tensor.name) ?? tensor;
    return { ...tensor, type: stored, sizeBytes };
  });
  const header = encodeGgufHeader(trueValues(values, type), entries, alignment);
  const sizeBytes = entries.reduce((sum, entry, i) => sum + entry.sizeBytes + (header.paddings[i] as number), header.bytes.length);
  return {
    sizeBytes,
    sourcePlace: sourcePath,
    async checkReplaced(target, isFolder) {
      if (isFolder) throw new ModelNotWritableError(`${target} is a folder; a GGUF model is one file.`, 'Name a file.', { what: target });
    },
    async write(target, changed, { onProgress, signal, beforeNamed }) {
      async function* pieces(): AsyncGenerator<Uint8Array> {
        yield header.bytes;
        let done = header.bytes.length;
        for (const [i, { name }] of entries.entries()) {
          const plan = plans.get(name);
          const padding = new Uint8Array(header.paddings[i] as number);
          const parts = plan ? storedPieces(source, plan, changed.get(plan.info.name), signal) : [tables.get(name) as Uint8Array];
          for await (const piece of parts) {
            yield piece;
            done += piece.length;
            onProgress?.({ done, total: sizeBytes });
          }
          yield padding;
          done += padding.length;
        }
      }
      await writePiecesAtomically(target, pieces(), { neededBytes: sizeBytes, beforeNamed });
    },
  };
}

/** The source's metadata without what is true of its weights alone. */
function trueValues(values: ReadonlyMap<string, Uint8Array>, type: WrittenModelType): Map<string, Uint8Array> {
  // How the source was quantised says nothing of new weights.
  const kept = new Map([...values].filter(([key]) => !key.startsWith('quantize.')));
  kept.set('general.file_type', encodeWhole(fileTypes[type]));
  if (type === 'Q8_0') kept.set('general.quantization_version', encodeWhole(quantizationVersion));
  return kept;
}
