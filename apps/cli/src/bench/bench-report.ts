/** Median, lowest and highest of what the rounds gave. */
export interface Spread {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/** Tokens per second. */
export interface Speeds {
  readonly decode: Spread;
  readonly prefill512: Spread;
}

export interface SkipRow {
  /** What was asked: share of branch evaluations. */
  readonly skip: number;
  /** What was skipped of the answer, and of the prompt of 512. */
  readonly held: number;
  readonly prefillHeld: number;
  /** Share of the dense bytes (weights, head, K/V rows) that a decode step reads. */
  readonly bytesLeft: number;
  /** Share of the dense MACs of the prompt of 512, gates and the head of its last row included. */
  readonly macsLeft: number;
  /** Over our own dense speed, round by round. */
  readonly decodeSpeedup: Spread;
  readonly prefillSpeedup: Spread;
  /** Speed-up times bytes (MACs) left: 1 where what is skipped costs nothing at all. */
  readonly decodeEfficiency: Spread;
  readonly prefillEfficiency: Spread;
  /** Time of one decode step over the dense one of the same round. */
  readonly decodeTimeLeft: number;
}

/** Our own speed at a thread count, by turns with the others. */
export interface ThreadsRow extends Speeds {
  readonly threads: number;
  readonly overOne: Speeds | null;
}

/** One thing that is promised, and what came of it; null where it was not measured. */
export interface TargetRow {
  readonly name: string;
  readonly bound: 'at least' | 'at most';
  readonly unit: 'ratio' | 'share' | 'ms' | 'bytes';
  readonly target: number;
  readonly aim: number | null;
  /** A median. */
  readonly measured: number | null;
  readonly met: boolean | null;
}

/** A budget that the gates cannot reach, with the reason. */
export interface UnreachedSkip {
  readonly skip: number;
  readonly reason: string;
}

export interface PeerReport extends Speeds {
  readonly version: string;
  /** The count that decoded fastest, and the one that read the prompt fastest, of those tried. */
  readonly threads: { readonly decode: number; readonly prefill512: number };
  readonly tried: readonly { readonly threads: number; readonly decode: number; readonly prefill512: number }[];
  readonly details: Readonly<Record<string, string | number | boolean>>;
}

/** What `gateskip bench --json` prints: benchmarks/bench.schema.json. */
export interface BenchReport {
  readonly schemaVersion: 1;
  readonly date: string;
  readonly machine: {
    readonly cpu: string;
    readonly cores: number;
    readonly platform: string;
    readonly instructionSet: string | null;
    readonly threads: number | null;
    /** Null where the native backend, which measures, cannot run. */
    readonly readBandwidthGBs: number | null;
    readonly readBandwidthSpread: Spread | null;
    readonly readBandwidthOneThreadGBs: number | null;
    /** Null also where the instruction set has no int8 dot product. */
    readonly int8GmacsPerSecond: number | null;
    readonly int8OneThreadGmacsPerSecond: number | null;
  };
  readonly versions: { readonly gateskip: string; readonly node: string };
  readonly backend: string;
  readonly model: {
    readonly name: string;
    readonly fingerprint: string;
    readonly sizeBytes: number;
    /** Stored bytes by tensor type. */
    readonly tensorTypes: Readonly<Record<string, number>>;
  };
  readonly workload: {
    readonly rounds: number;
    readonly decodeTokens: number;
    readonly decodePromptTokens: number;
    readonly prefillTokens: number;
    readonly policy: string;
    readonly kv: string;
    readonly adapter: string | null;
  };
  readonly dense: Speeds & { readonly decodeBytesPerToken: number };
  readonly skip: readonly SkipRow[];
  readonly unreached: readonly UnreachedSkip[];
  /** Decode time left = slope * bytes left + intercept, by least squares; null with fewer than two budgets. */
  readonly skipFit: { readonly interceptShare: number; readonly slope: number } | null;
  /** Bytes read per second in dense decode over the read bandwidth measured in the same round. */
  readonly bandwidthShare: Spread | null;
  /** MACs per second of the dense prompt over the int8 peak measured in the same round. */
  readonly int8Share: Spread | null;
  readonly batch: readonly { readonly sequences: number; readonly tokensPerSecond: Spread; readonly overOne: Spread | null }[];
  /** Tokens per second of eight sequences together over one; null where either was not asked for. */
  readonly batch8: Spread | null;
  readonly context: readonly { readonly tokens: number; readonly decode: Spread }[];
  /** Empty with --no-thread-sweep, and where the backend has no threads. */
  readonly threads: readonly ThreadsRow[];
  /**
   * Share of the decoding time in which the JavaScript thread does not wait for the backend: the engine's loop, and bare steps of
   * the runner. Microseconds are its processor time for a token in the engine, null where the system does not say.
   */
  readonly jsShare: { readonly engine: Spread; readonly runner: Spread; readonly engineMicroseconds: Spread | null };
  /** A child process of the built program with the model in the page cache; null with --no-startup, --quick or from sources. */
  readonly startup: {
    readonly firstTokenMs: Spread;
    readonly peakRssBytes: Spread;
    readonly answerTokens: number;
  } | null;
  readonly peers: Readonly<Record<string, PeerReport>>;
  /** Our speed over the peer's, round by round. */
  readonly ratios: Readonly<Record<string, Speeds>>;
  readonly targets: readonly TargetRow[];
}
