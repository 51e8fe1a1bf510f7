import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { parseSizedHeader } from '../sized-header.js';
import { type Checkpoint, DIGEST_BYTES, MAGIC, PIECE_BYTES, padded } from './checkpoint.js';
import { CheckpointInvalidError } from './errors.js';

const LONGEST_HEADER = 1 << 26;

/**
 * Reads a checkpoint of any size, each array into memory of its own. Lengths are held against the size of the file before anything is
 * allocated for them.
 *
 * @throws CheckpointInvalidError, and what the system throws
 */
export async function readCheckpoint(path: string): Promise<Checkpoint> {
  const fail = (why: string): never => {
    throw new CheckpointInvalidError(path, why);
  };
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const start = MAGIC.length + 4;
    if (size < start + DIGEST_BYTES) fail('it is no checkpoint of a training run');
    const reader = new HashingReader(file, fail);
    const front = await reader.read(start);
    if (Buffer.from(front).toString('latin1', 0, MAGIC.length) !== MAGIC) fail('it is no checkpoint of a training run');
    const headerBytes = new DataView(front.buffer).getUint32(MAGIC.length, true);
    if (headerBytes > LONGEST_HEADER || start + headerBytes > size - DIGEST_BYTES) fail(`a header of ${headerBytes} bytes does not fit`);
    const { header, sizes } = parseSizedHeader(new TextDecoder().decode(await reader.read(headerBytes)), 'blobs', fail);
    const needed = sizes.reduce((sum, [, length]) => sum + padded(length), start + headerBytes + DIGEST_BYTES);
    if (needed !== size) fail(`${needed} bytes are needed, ${size} are there`);
    const found = new Map<string, Uint8Array>();
    for (const [name, length] of sizes) {
      found.set(name, await reader.read(length));
      await reader.read(padded(length) - length);
    }
    const digest = reader.digest();
    if (!digest.equals(await reader.read(DIGEST_BYTES))) fail('its check sum is not that of its bytes');
    return { state: header.state, blobs: found };
  } finally {
    await file.close();
  }
}

/** Reads on and on, and hashes what it reads until the digest is asked for. */
class HashingReader {
  #at = 0;
  #hash: Hash | undefined = createHash('sha256');

  constructor(
    private readonly file: FileHandle,
    private readonly fail: (why: string) => never,
  ) {}

  async read(length: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(length);
    for (let filled = 0; filled < length; ) {
      const { bytesRead } = await this.file.read(bytes, filled, Math.min(PIECE_BYTES, length - filled), this.#at);
      if (bytesRead === 0) return this.fail(`it ended at byte ${this.#at}`);
      this.#hash?.update(bytes.subarray(filled, filled + bytesRead));
      filled += bytesRead;
      this.#at += bytesRead;
    }
    return bytes;
  }

  digest(): Buffer {
    const digest = (this.#hash as Hash).digest();
    this.#hash = undefined;
    return digest;
  }
}
