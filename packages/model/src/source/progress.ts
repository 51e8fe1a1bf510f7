/** What a fetch is doing. `total` is 0 while it is not known; both are bytes except where the phase has none. */
export interface SourceProgress {
  readonly phase: 'resolve' | 'wait' | 'download' | 'unpack' | 'verify';
  readonly done: number;
  readonly total: number;
  /** What it is about: a file, a package. */
  readonly what?: string;
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
