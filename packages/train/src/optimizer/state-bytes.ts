import { InvalidArgumentError } from '@gateskip/errors';
import { parseSizedHeader } from '../sized-header.js';
import type { AdamWState } from './adam-w.js';

/**
 * Layout, little-endian: the text `GSADAMW1`, u32 length of a JSON header, the header `{ step, parameters: [[name, length], ...] }`
 * padded with spaces to whole 4 bytes, then per parameter its first and its second moments as float32.
 */
const MAGIC = 'GSADAMW1';
const LONGEST_HEADER = 1 << 26;

/** The state as bytes; `decodeAdamWState` gives back the same bits. */
export function encodeAdamWState(state: AdamWState): Uint8Array {
  const parameters = [...state.moments].map(([name, { first }]) => [name, first.length] as const);
  const text = JSON.stringify({ step: state.step, parameters });
  const plain = new TextEncoder().encode(text);
  const headerBytes = Math.ceil(plain.length / 4) * 4;
  const numbers = parameters.reduce((sum, [, length]) => sum + 2 * length, 0);
  const bytes = new Uint8Array(MAGIC.length + 4 + headerBytes + 4 * numbers).fill(0x20);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode(MAGIC));
  view.setUint32(MAGIC.length, headerBytes, true);
  bytes.set(plain, MAGIC.length + 4);
  let at = MAGIC.length + 4 + headerBytes;
  for (const { first, second } of state.moments.values()) {
    for (const array of [first, second]) {
      for (let i = 0; i < array.length; i++, at += 4) view.setFloat32(at, array[i]!, true);
    }
  }
  return bytes;
}

/** @throws InvalidArgumentError for bytes that are not such a state; nothing is allocated beyond what they hold */
export function decodeAdamWState(bytes: Uint8Array): AdamWState {
  const fail = (why: string): never => {
    throw new InvalidArgumentError(`This is no optimiser state: ${why}.`, 'Resume from an older checkpoint.');
  };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = MAGIC.length + 4;
  if (bytes.length < start || new TextDecoder().decode(bytes.subarray(0, MAGIC.length)) !== MAGIC) fail('it begins otherwise');
  const headerBytes = view.getUint32(MAGIC.length, true);
  if (headerBytes > LONGEST_HEADER || start + headerBytes > bytes.length) fail(`a header of ${headerBytes} bytes does not fit`);
  const { header, sizes } = parseSizedHeader(new TextDecoder().decode(bytes.subarray(start, start + headerBytes)), 'parameters', fail);
  const step = header.step as number;
  if (!Number.isSafeInteger(step) || step < 0) fail('its header names no step');
  const needed = sizes.reduce((sum, [, length]) => sum + 8 * length, start + headerBytes);
  if (needed !== bytes.length) fail(`${needed} bytes are needed, ${bytes.length} are there`);
  let at = start + headerBytes;
  const read = (length: number) => {
    const array = new Float32Array(length);
    for (let i = 0; i < length; i++, at += 4) array[i] = view.getFloat32(at, true);
    return array;
  };
  return { step, moments: new Map(sizes.map(([name, length]) => [name, { first: read(length), second: read(length) }])) };
}
