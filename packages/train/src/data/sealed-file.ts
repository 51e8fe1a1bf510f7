import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';

/** Written in this machine's own byte order: a file of another order is another file. */
const MAGIC = new Uint8Array(Uint32Array.of(0x31534b47, 0x0a0d0102).buffer); // "GKS1" where the lowest byte comes first
const SEAL_BYTES = 32;
const HEAD_BYTES = MAGIC.length + SEAL_BYTES;

/** A cache file, in parts: what it is (magic, sha256 of `name`), the contents, sha256 of all before. */
export function sealed(name: string, contents: Uint8Array): Uint8Array[] {
  const head = [MAGIC, digest([Buffer.from(name)])];
  return [...head, contents, digest([...head, contents])];
}

/**
 * The contents of a file that {@link sealed} made under this name, beginning at a multiple of 8 bytes; undefined where there
 * is no such file, or where anything about it is wrong.
 */
export async function readSealed(path: string, name: string, mostBytes: number): Promise<Uint8Array | undefined> {
  const file = await open(path, 'r').catch(() => undefined);
  if (file === undefined) return undefined;
  try {
    const { size } = await file.stat();
    if (size < HEAD_BYTES + SEAL_BYTES || size > mostBytes) return undefined;
    const bytes = new Uint8Array(size);
    for (let filled = 0; filled < size; ) {
      const { bytesRead } = await file.read(bytes, filled, size - filled, filled);
      if (bytesRead === 0) return undefined;
      filled += bytesRead;
    }
    const seal = bytes.subarray(size - SEAL_BYTES);
    const isWhole = equal(digest([bytes.subarray(0, size - SEAL_BYTES)]), seal);
    const isOurs =
      equal(bytes.subarray(0, MAGIC.length), MAGIC) && equal(bytes.subarray(MAGIC.length, HEAD_BYTES), digest([Buffer.from(name)]));
    return isWhole && isOurs ? bytes.subarray(HEAD_BYTES, size - SEAL_BYTES) : undefined;
  } catch {
    return undefined;
  } finally {
    await file.close();
  }
}

function digest(parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

const equal = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;
