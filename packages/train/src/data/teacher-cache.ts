import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { ModelIoError, writeFileAtomically } from '@gateskip/model';
import { readSealed, sealed } from './sealed-file.js';
import { fromBytes, type PackedRows, packedBytes, toBytes } from './teacher-codec.js';

/** Raised when what is kept is read otherwise. */
const VERSION = 1;
const MOST_FILE_BYTES = 1_073_741_824;

/** Rows by the tokens of their sequence: the latest in memory within a bound, all of them in a folder where one is given. */
export class TeacherCache {
  private readonly inMemory = new Map<string, PackedRows>();
  private memoryBytes = 0;

  constructor(
    private readonly mostMemoryBytes: number,
    /** Own folder of one model, backend and count. */
    readonly folder: string | undefined,
    private readonly shape: { readonly count: number; readonly vocabularySize: number },
  ) {}

  static folderFor(folder: string, made: { model: string; backend: string; count: number }): string {
    const key = createHash('sha256').update(JSON.stringify(['gateskip.teacher', VERSION, made.model, made.backend, made.count]));
    return join(folder, `teacher-${key.digest('hex').slice(0, 16)}`);
  }

  remembered(key: string): PackedRows | undefined {
    const found = this.inMemory.get(key);
    if (found) {
      // A Map keeps its order of insertion: the oldest goes first.
      this.inMemory.delete(key);
      this.inMemory.set(key, found);
    }
    return found;
  }

  async stored(key: string, rows: number): Promise<PackedRows | undefined> {
    if (this.folder === undefined) return undefined;
    const bytes = await readSealed(this.pathOf(key), this.nameOf(key), MOST_FILE_BYTES);
    const packed = bytes && fromBytes(bytes, rows, this.shape.count, this.shape.vocabularySize);
    if (packed) this.remember(key, packed);
    return packed;
  }

  /** @throws DiskFullError, ModelIoError */
  async keep(key: string, packed: PackedRows): Promise<void> {
    this.remember(key, packed);
    if (this.folder === undefined) return;
    const folder = this.folderOf(key);
    await mkdir(folder, { recursive: true }).catch((cause: Error) => {
      throw new ModelIoError(`Cannot make the folder ${folder}: ${cause.message}.`, { what: folder }, { cause });
    });
    await writeFileAtomically(this.pathOf(key), sealed(this.nameOf(key), toBytes(packed)));
  }

  forget(): void {
    this.inMemory.clear();
    this.memoryBytes = 0;
  }

  private remember(key: string, packed: PackedRows): void {
    const bytes = packedBytes(packed);
    if (bytes > this.mostMemoryBytes || this.inMemory.has(key)) return;
    this.inMemory.set(key, packed);
    this.memoryBytes += bytes;
    for (const [oldest, old] of this.inMemory) {
      if (this.memoryBytes <= this.mostMemoryBytes) return;
      this.inMemory.delete(oldest);
      this.memoryBytes -= packedBytes(old);
    }
  }

  private nameOf(key: string): string {
    return `${basename(this.folder as string)} ${key}`;
  }

  private folderOf(key: string): string {
    return join(this.folder as string, key.slice(0, 2));
  }

  private pathOf(key: string): string {
    return join(this.folderOf(key), `${key.slice(2)}.bin`);
  }
}
