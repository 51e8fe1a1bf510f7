/** The process that fetches what others wait for. */
export interface LockHolder {
  readonly pid: number;
  readonly host: string;
  /** Since it began. */
  readonly elapsedMs: number;
}

/**
 * What a fetch is doing. `total` is 0 while it is not known; both are bytes except where the phase has none. In the phase
 * `wait` another process fetches the same: `done` and `total` are then how far that one has come.
 */
export interface SourceProgress {
  readonly phase: 'resolve' | 'wait' | 'download' | 'unpack' | 'verify';
  readonly done: number;
  readonly total: number;
  /** What it is about: a file, a package. */
  readonly what?: string;
  /** Who is waited for; absent where it has not said so yet. */
  readonly holder?: LockHolder;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** What every source needs. */
export interface FetchContext {
  readonly env: Environment;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress: (progress: SourceProgress) => void;
  /** How long a server may take to answer at all. */
  readonly connectTimeoutMs: number;
  /** How long a stream may stand still. */
  readonly idleTimeoutMs: number;
}
