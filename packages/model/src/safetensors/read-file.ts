import { InvalidModelError } from '../errors.js';
import type { OpenFiles } from '../file/file-model.js';
import { maxHeaderBytes, parseSafetensorsHeader, type SafetensorsHeader } from './parse-header.js';

export interface SafetensorsFile extends SafetensorsHeader {
  readonly path: string;
  /** Where the data starts in the file. */
  readonly dataStart: number;
}

/** Reads and checks the header of a safetensors file. The data stays on disk. */
export async function readSafetensorsFile(files: OpenFiles, path: string): Promise<SafetensorsFile> {
  const fileBytes = (await (await files.open(path)).stat()).size;
  if (fileBytes < 10) throw new InvalidModelError(path, `the file has ${fileBytes} bytes, a safetensors file has at least 10.`);
  const prefix = Buffer.alloc(8);
  await files.read(path, 0, prefix);
  const headerBytes = prefix.readBigUInt64LE(0);
  if (headerBytes > BigInt(maxHeaderBytes))
    throw new InvalidModelError(path, `its header claims ${headerBytes} bytes, at most ${maxHeaderBytes} are read.`);
  const length = Number(headerBytes);
  if (length < 2 || length > fileBytes - 8)
    throw new InvalidModelError(path, `its header claims ${length} bytes, the file has ${fileBytes - 8} left.`);
  // The first byte tells a header from anything else before memory is taken for it.
  const first = Buffer.alloc(1);
  await files.read(path, 8, first);
  if (first[0] !== 0x7b) throw new InvalidModelError(path, 'its header does not start with "{".');
  const header = Buffer.alloc(length);
  await files.read(path, 8, header);
  return { path, dataStart: 8 + length, ...parseSafetensorsHeader(path, header, fileBytes - 8 - length) };
}
