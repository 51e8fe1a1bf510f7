import { ModelIoError, printable } from '../errors.js';
import { OpenFiles } from '../file/file-model.js';
import type { Model } from '../model.js';
import { walkGgufFile } from './read-header.js';
import { ropeDivisorsName } from './tensor-map.js';
import type { WalkedTensor } from './walk-header.js';

/** What a GGUF file holds beside the weights of its model. */
export interface GgufBesideWeights {
  /** By key, as the file has them: type number first. */
  readonly values: ReadonlyMap<string, Uint8Array>;
  readonly alignment: number;
  /** In the order of the directory. */
  readonly tensors: readonly WalkedTensor[];
  /** Of tensors that are no weights: the table of rotary divisors. */
  readonly tables: ReadonlyMap<string, Uint8Array>;
}

/** Copies of it. @throws ModelIoError where the file is no longer the one that the model was opened from */
export async function readBesideWeights(source: Model, path: string): Promise<GgufBesideWeights> {
  const files = new OpenFiles();
  try {
    const file = await files.open(path);
    const { bytes, header } = await walkGgufFile(path, file, (await file.stat()).size);
    const weights = header.tensors.filter(({ name }) => name !== ropeDivisorsName);
    const known = new Map([...source.tensors.values()].map((tensor) => [tensor.sourceName, tensor]));
    const isSame = ({ name, type, offset }: WalkedTensor): boolean => {
      const tensor = known.get(name);
      return tensor?.type === type && tensor.data.kind === 'file' && tensor.data.offset === offset;
    };
    if (weights.length !== known.size || !weights.every(isSame))
      throw new ModelIoError(`${printable(path)} is no longer the file that was opened.`, { what: path });
    const tables = new Map<string, Uint8Array>();
    for (const { name, offset, sizeBytes } of header.tensors.filter((tensor) => tensor.name === ropeDivisorsName)) {
      const table = new Uint8Array(sizeBytes);
      await files.read(path, offset, table);
      tables.set(name, table);
    }
    const alignment = header.values.get('general.alignment');
    return {
      values: new Map([...header.values].map(([key, { start, end }]) => [key, Buffer.from(bytes.subarray(start - 4, end))])),
      alignment: alignment ? bytes.readUInt32LE(alignment.start) : 32,
      tensors: header.tensors,
      tables,
    };
  } finally {
    await files.close();
  }
}
