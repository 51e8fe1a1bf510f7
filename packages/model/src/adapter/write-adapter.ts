import { floatToBfloat, floatToHalf } from '../formats/half.js';
import { type SafetensorsTensor, writeSafetensors } from '../safetensors/write-file.js';
import { checkAdapterHead } from './check-adapter.js';
import { checkGates } from './check-gates.js';
import { AdapterInvalidError } from './errors.js';
import type { GateAdapter } from './gate-adapter.js';
import { gatePrefix, gateShapes, standInName } from './gate-shapes.js';

export interface WriteAdapterOptions {
  /** How numbers are stored; default F32. Narrower types round, so a calibration belongs to the adapter as read back. */
  readonly type?: 'F32' | 'F16' | 'BF16';
}

/** Key of the safetensors metadata under which an adapter describes itself. */
export const metadataKey = 'gateskip';

/**
 * Writes a gate adapter as a safetensors file, whole or not at all.
 * @throws AdapterInvalidError where the adapter breaks its own rules, or its numbers do not fit the type.
 */
export async function writeAdapter(path: string, adapter: GateAdapter, options: WriteAdapterOptions = {}): Promise<void> {
  const fail = (message: string): never => {
    throw new AdapterInvalidError(path, message);
  };
  const { gates, ...rest } = adapter;
  const { spec, hiddenSize } = gates;
  const head = checkAdapterHead({ ...rest, spec, hiddenSize, hasStandIns: gates.standIns !== undefined }, fail);
  checkGates(gates, adapter.layers, fail);
  const type = options.type ?? 'F32';
  const tensors = new Map<string, SafetensorsTensor>();
  const shapes = gateShapes(spec, hiddenSize);
  for (const [branch, gate] of gates.gates.entries()) {
    for (const [field, shape] of shapes) {
      const name = `${gatePrefix(spec, branch)}.${field}`;
      if (!tensors.has(name)) tensors.set(name, { type, shape, bytes: store(gate[field] as Float32Array, type, name, fail) });
    }
    const standIn = gates.standIns?.[branch];
    if (standIn) tensors.set(standInName(branch), { type, shape: [hiddenSize], bytes: store(standIn, type, standInName(branch), fail) });
  }
  await writeSafetensors(path, tensors, { format: 'pt', [metadataKey]: JSON.stringify(head) });
}

function store(values: Float32Array, type: 'F32' | 'F16' | 'BF16', name: string, fail: (message: string) => never): Uint8Array {
  const width = type === 'F32' ? 4 : 2;
  const view = new DataView(new ArrayBuffer(values.length * width));
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    if (type === 'F32') view.setFloat32(4 * i, value, true);
    else {
      const bits = type === 'F16' ? floatToHalf(value) : floatToBfloat(value);
      const isInfinite = type === 'F16' ? (bits & 0x7c00) === 0x7c00 : (bits & 0x7f80) === 0x7f80;
      if (isInfinite) fail(`"${name}" holds ${value}, beyond what ${type} can store.`);
      view.setUint16(2 * i, bits, true);
    }
  }
  return new Uint8Array(view.buffer);
}
