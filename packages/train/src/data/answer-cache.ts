import { createHash } from 'node:crypto';
import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelIoError, writeFileAtomically } from '@gateskip/model';
import { readSealed, sealed } from './sealed-file.js';
import { bytesOf } from './text-fingerprint.js';
import type { Answer } from './write-answers.js';

/** Raised when what is kept is read otherwise, or when the same request would make another text. */
const VERSION = 1;
/** Answers of one file. */
export const SHARD_ANSWERS = 32;
/** A file that is not full yet is written again after this time. */
const WRITE_EVERY_MS = 20_000;
const MOST_SHARD_BYTES = 64 * 1048576;
/** Words before the tokens of an answer: length, prompt length, whether it ended. */
const HEADER_WORDS = 3;

/**
 * Answers on disk, in their order, in files of {@link SHARD_ANSWERS}. Reading stops at the first file that is missing, not
 * full or damaged: what follows is written anew.
 */
export class AnswerCache {
  damagedShards = 0;
  private written = 0;
  private writtenMs = 0;
  private writing: Promise<void> = Promise.resolve();

  private constructor(
    readonly folder: string,
    private readonly key: string,
  ) {}

  /** @param request all that the answers follow from @throws ModelIoError */
  static async open(folder: string, request: object): Promise<AnswerCache> {
    const key = createHash('sha256')
      .update(JSON.stringify(['gateskip.answers', VERSION, request]))
      .digest('hex');
    const own = join(folder, `text-${key.slice(0, 16)}`);
    await mkdir(own, { recursive: true }).catch((cause: Error) => {
      throw new ModelIoError(`Cannot make the folder ${own}: ${cause.message}.`, { what: own }, { cause });
    });
    return new AnswerCache(own, key);
  }

  async read(vocabularySize: number): Promise<Answer[]> {
    const answers: Answer[] = [];
    for (let shard = 0; ; shard++) {
      const path = this.pathOf(shard);
      const words = await readSealed(path, `${this.key} ${shard}`, MOST_SHARD_BYTES);
      const found = words === undefined ? undefined : decode(words, vocabularySize);
      if (found === undefined) {
        if (await exists(path)) this.damagedShards++;
        break;
      }
      answers.push(...found);
      if (found.length < SHARD_ANSWERS) break;
    }
    this.written = answers.length;
    this.writtenMs = performance.now();
    return answers;
  }

  /** @param isLast whether a file that is not full must be written now @throws DiskFullError, ModelIoError */
  write(answers: readonly Answer[], isLast: boolean): Promise<void> {
    const write = async (): Promise<void> => {
      for (;;) {
        const first = this.written - (this.written % SHARD_ANSWERS);
        const shard = answers.slice(first, first + SHARD_ANSWERS);
        if (first + shard.length <= this.written) return;
        if (shard.length < SHARD_ANSWERS && !isLast && performance.now() - this.writtenMs < WRITE_EVERY_MS) return;
        const number = first / SHARD_ANSWERS;
        await writeFileAtomically(this.pathOf(number), sealed(`${this.key} ${number}`, bytesOf(encode(shard))));
        this.written = first + shard.length;
        this.writtenMs = performance.now();
      }
    };
    const result = this.writing.then(write);
    this.writing = result.catch(() => undefined);
    return result;
  }

  private pathOf(shard: number): string {
    return join(this.folder, `answers-${String(shard).padStart(6, '0')}.bin`);
  }
}

function encode(answers: readonly Answer[]): Int32Array {
  const words = new Int32Array(answers.reduce((sum, { tokens }) => sum + HEADER_WORDS + tokens.length, 0));
  let at = 0;
  for (const { tokens, promptTokens, ended } of answers) {
    words.set([tokens.length, promptTokens, ended ? 1 : 0], at);
    words.set(tokens, at + HEADER_WORDS);
    at += HEADER_WORDS + tokens.length;
  }
  return words;
}

/** undefined: not what {@link encode} makes. */
function decode(bytes: Uint8Array, vocabularySize: number): Answer[] | undefined {
  if (bytes.length % 4 !== 0) return undefined;
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const answers: Answer[] = [];
  for (let at = 0; at < words.length; ) {
    const [length = 0, promptTokens = 0, ended = 0] = words.subarray(at, at + HEADER_WORDS);
    const start = at + HEADER_WORDS;
    if (length < 2 || promptTokens < 1 || promptTokens > length || start + length > words.length) return undefined;
    const tokens = words.slice(start, start + length);
    if (tokens.some((token) => token < 0 || token >= vocabularySize)) return undefined;
    answers.push({ tokens, promptTokens, ended: ended === 1 });
    at = start + length;
  }
  return answers.length > 0 && answers.length <= SHARD_ANSWERS ? answers : undefined;
}

async function exists(path: string): Promise<boolean> {
  const file = await open(path, 'r').catch(() => undefined);
  await file?.close();
  return file !== undefined;
}
