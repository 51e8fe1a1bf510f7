import type { Backend, Runner } from '@gateskip/backend';
import { ClosedError, InvalidArgumentError } from '@gateskip/errors';
import type { Model, ModelConfig } from '@gateskip/model';
import { checkWhole } from './checks.js';
import { StepQueue } from './step-queue.js';
import { TeacherCache } from './teacher-cache.js';
import { unpackRows } from './teacher-codec.js';
import { tokensFingerprint } from './text-fingerprint.js';
import type { Teacher, TeacherRows, TrainingSequence } from './training-text.js';

/** Who is asked: a runner, which stays the caller's, or a model and a backend, loaded at the first row that is not kept. */
export type TeacherSource =
  | { readonly runner: Runner /** Needed with a cache folder. */; readonly model?: Model }
  | { readonly model: Model; readonly backend: Backend; readonly threads?: number };

export interface RunnerTeacherOptions {
  /** Likeliest tokens kept of each row, 1..1024, at most the vocabulary; default 64. */
  readonly count?: number;
  /** Keeps rows for other runs too. */
  readonly cacheFolder?: string;
  /** Most bytes of rows in memory; default 256 MiB. A row of 64 tokens takes 260 bytes. */
  readonly cacheBytes?: number;
  /** Most rows of one step; default 1024. */
  readonly maxRows?: number;
}

export interface TeacherStatistics {
  /** Rows that the model was run for. */
  readonly computedRows: number;
  readonly rowsFromMemory: number;
  readonly rowsFromDisk: number;
}

export interface RunnerTeacher extends Teacher {
  readonly count: number;
  readonly statistics: TeacherStatistics;
}

/**
 * The dense model as teacher. Ask for many sequences at once: they share steps. The same numbers whether computed, in
 * memory or on disk: log-probabilities are rounded to 16 bits (each within 0.05 % of itself), the tail mass is not. A kept
 * file that is damaged or of other tokens is made anew.
 *
 * `rows` throws InvalidArgumentError, TeacherNotFiniteError, AbortedError, ClosedError, DiskFullError, ModelIoError, and
 * what loading and stepping throw.
 *
 * @throws InvalidArgumentError
 */
export function runnerTeacher(options: TeacherSource & RunnerTeacherOptions): RunnerTeacher {
  return new DenseTeacher(options);
}

class DenseTeacher implements RunnerTeacher {
  readonly count: number;
  private readonly config: ModelConfig;
  private readonly cache: TeacherCache;
  private readonly queue: StepQueue;
  private loading: Promise<Runner> | undefined;
  private isClosed = false;
  private tally = { computedRows: 0, rowsFromMemory: 0, rowsFromDisk: 0 };

  constructor(private readonly source: TeacherSource & RunnerTeacherOptions) {
    const { count = 64, cacheFolder, cacheBytes = 256 * 1048576, maxRows = 1024, model } = source;
    checkWhole('count', count, 1, 1024);
    checkWhole('cacheBytes', cacheBytes, 0, Number.MAX_SAFE_INTEGER);
    checkWhole('maxRows', maxRows, 1, 65_536);
    this.config = 'runner' in source ? source.runner.config : source.model.config;
    if (cacheFolder !== undefined && model === undefined) {
      throw new InvalidArgumentError('A cache folder needs to know the model that its rows are of.', 'Pass `model` with `runner`.', {
        what: 'model',
      });
    }
    const { vocabularySize } = this.config;
    this.count = Math.min(count, vocabularySize);
    const backend = 'runner' in source ? source.runner.backend : source.backend.name;
    const folder =
      cacheFolder === undefined || model === undefined
        ? undefined
        : TeacherCache.folderFor(cacheFolder, { model: model.fingerprint, backend, count: this.count });
    this.cache = new TeacherCache(cacheBytes, folder, { count: this.count, vocabularySize });
    this.queue = new StepQueue(() => this.runner(maxRows), { count: this.count, maxRows });
  }

  get statistics(): TeacherStatistics {
    return { ...this.tally };
  }

  async rows({ tokens }: TrainingSequence, signal?: AbortSignal): Promise<TeacherRows> {
    if (this.isClosed) throw new ClosedError('The teacher');
    this.check(tokens);
    const key = tokensFingerprint(tokens);
    const known = this.cache.remembered(key);
    if (known) {
      this.tally.rowsFromMemory += tokens.length;
      return unpackRows(known);
    }
    const stored = await this.cache.stored(key, tokens.length);
    if (stored) {
      this.tally.rowsFromDisk += tokens.length;
      return unpackRows(stored);
    }
    if (this.isClosed) throw new ClosedError('The teacher');
    const packed = await this.queue.rows(tokens, signal);
    this.tally.computedRows += tokens.length;
    await this.cache.keep(key, packed);
    return unpackRows(packed);
  }

  async close(): Promise<void> {
    this.isClosed = true;
    await this.queue.idle();
    this.cache.forget();
    if ('backend' in this.source) await (await this.loading?.catch(() => undefined))?.close();
    this.loading = undefined;
  }

  private check(tokens: Int32Array): void {
    const { contextLength, vocabularySize } = this.config;
    checkWhole('The length of a sequence', tokens.length, 1, contextLength);
    const bad = tokens.findIndex((token) => token < 0 || token >= vocabularySize);
    if (bad >= 0) {
      throw new InvalidArgumentError(
        `Token ${tokens[bad]} at ${bad} of a sequence is outside the vocabulary of ${vocabularySize}.`,
        "Tokenise with this model's tokenizer.",
        { what: 'tokens', expected: vocabularySize, got: tokens[bad] },
      );
    }
  }

  private runner(maxRows: number): Promise<Runner> {
    const { source } = this;
    if ('runner' in source) return Promise.resolve(source.runner);
    const { model, backend, threads } = source;
    const load = (): Promise<Runner> =>
      backend.load(model, { maxTokens: Math.max(maxRows, this.config.contextLength), ...(threads !== undefined && { threads }) });
    this.loading ??= load().catch((error: unknown) => {
      // The next row tries again: memory may be free by then.
      this.loading = undefined;
      throw error;
    });
    return this.loading;
  }
}
