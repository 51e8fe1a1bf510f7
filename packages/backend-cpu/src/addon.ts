import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** One plan as the addon's trainer reads it; see kernels/cpu/src/runner.h. */
export interface NativePlan {
  readonly scorer: number;
  readonly kv: number;
  readonly standIns: number;
  readonly loraStrength: number;
  readonly seed: number;
  readonly rules: Uint8Array;
  readonly values: Float32Array;
  readonly pinned?: Uint8Array | undefined;
  readonly scores?: Float32Array | undefined;
}

/** What few steps have: large results, and what plans give row by row. */
export interface NativeStepExtras {
  /** [outputs, vocabulary], where no top logits are asked. */
  readonly logits?: Float32Array;
  /** [2L, rows, d] */
  readonly hiddenInputs?: Float32Array;
  /** [2L, rows, d] */
  readonly hiddenOutputs?: Float32Array;
  /** [2L, rows] */
  readonly streamNorms?: Float32Array;
  /** Per plan: [rows]. */
  readonly pinned?: (Uint8Array | undefined)[];
  /** Per plan whose scorer is `given`: [2L, rows]. */
  readonly scores?: (Float32Array | undefined)[];
}

export interface NativeRunner {
  openSequence(): number;
  fork(sequence: number, length: number): number;
  truncate(sequence: number, length: number): void;
  closeSequence(sequence: number): void;
  /** -1 where no such sequence is open. */
  sequenceLength(sequence: number): number;
  sequenceRows(sequence: number): number;
  usage(): { used: number; tokens: number; rowBytes: number; maxRows: number };
  details(): {
    instructionSet: string;
    threads: number;
    threadChoice: string;
    weightBytes: number;
    /** Of low-rank additions that are carried beside the weights. */
    loraBytes: number;
    repackCache?: string;
  };
  /** @param block see StepBlock @param results see StepArrays */
  step(block: Uint32Array, results: ArrayBuffer, extras: NativeStepExtras | undefined): Promise<void>;
  cancel(): void;
  close(): void;
}

export interface NativeLoad {
  readonly promise: Promise<NativeRunner>;
  progress(): number;
  cancel(): void;
}

/** One training step; see kernels/cpu/src/training/train-request.h. */
export interface NativeTrainRequest {
  readonly tokens: Int32Array;
  readonly positions: Int32Array;
  readonly segmentStart: Int32Array;
  readonly lossRows: Int32Array;
  readonly plan: NativePlan;
  readonly withGradients: boolean;
  readonly straightThrough: boolean;
  /** 0 = slope 1. */
  readonly temperature: number;
  readonly teachesSkippedOnly: boolean;
  /** MACs that a skip of each branch saves: [2L]; absent: budgets are not held. */
  readonly savings?: Float64Array;
  readonly crossEntropy?: { readonly targets: Int32Array; readonly shares: Float64Array; readonly weight: number };
  readonly teacher?: {
    readonly count: number;
    readonly tokens: Int32Array;
    readonly logProbabilities: Float32Array;
    readonly tailMass: Float32Array;
    readonly shares: Float64Array;
    readonly weight: number;
  };
  readonly gateLoss?: {
    readonly kind: number;
    readonly weight: number;
    readonly density: number;
    readonly rows?: Uint8Array | undefined;
    readonly branches: Uint8Array;
  };
  readonly keptRows: Uint8Array;
  readonly scores?: Float32Array;
  /** Filled with NaN; of branches that are taught it is written. */
  readonly gains?: Float32Array;
  readonly wantedRows?: Int32Array;
  readonly logits?: Float32Array;
  /** Filled: cross-entropy, teacher, gates, teacher agreement, sum of teacher shares. */
  readonly numbers: Float64Array;
}

export interface NativeTrainer {
  details(): { instructionSet: string; threads: number; precision: string };
  step(request: NativeTrainRequest): Promise<void>;
  cancel(): void;
  close(): void;
}

export interface NativeTrainerLoad {
  readonly promise: Promise<NativeTrainer>;
  progress(): number;
  cancel(): void;
}

export interface NativeProbe {
  readonly promise: Promise<{ instructionSet: string; readBytesPerSecond: number; int8MacsPerSecond: number }>;
  cancel(): void;
}

export interface NativeAddon {
  instructionSets(): string[];
  /** Of the packed form of weights; files of another one are not read. */
  readonly packedLayoutVersion: number;
  load(request: object): NativeLoad;
  loadTrainer(request: object): NativeTrainerLoad;
  probe(request: object): NativeProbe;
}

export type AddonSearch = { readonly addon: NativeAddon; readonly path: string } | { readonly reasons: readonly string[] };

/** Environment variable that names another build of the addon, e.g. one with sanitizers. */
export const ADDON_VARIABLE = 'GATESKIP_CPU_ADDON';

/**
 * Finds and loads the addon: the file that the environment names, this package's own build, or the prebuilt package of
 * the platform (`@gateskip/backend-cpu-linux-x64` and the like). Says where it looked when there is none.
 */
export function findAddon(): AddonSearch {
  const require = createRequire(import.meta.url);
  const named = process.env[ADDON_VARIABLE];
  const reasons: string[] = [];
  const candidates = named ? [named] : [join(packageRoot(), 'build', 'gateskip_cpu.node'), prebuiltPath(require)];
  for (const path of candidates) {
    if (path === undefined) continue;
    if (!existsSync(path)) {
      reasons.push(named ? `${ADDON_VARIABLE} names ${path}, which does not exist` : 'this package is not built');
      continue;
    }
    try {
      return { addon: require(path) as NativeAddon, path };
    } catch (error) {
      reasons.push(`the addon cannot be loaded: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  if (!named && candidates[1] === undefined) reasons.push(`there is no prebuilt addon for ${process.platform}-${process.arch}`);
  reasons.push('build it with `npx gateskip-build-cpu` (needs cmake and a C++17 compiler)');
  return { reasons };
}

function packageRoot(): string {
  // dist/index.js and src/addon.ts both lie one folder below the package's root.
  return join(dirname(fileURLToPath(import.meta.url)), '..');
}

function prebuiltPath(require: NodeJS.Require): string | undefined {
  try {
    return require.resolve(`@gateskip/backend-cpu-${process.platform}-${process.arch}`);
  } catch {
    return undefined;
  }
}
