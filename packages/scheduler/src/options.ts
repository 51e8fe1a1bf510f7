import { InvalidArgumentError } from '@gateskip/errors';
import { branchCount, type KvMode, type Plan } from '@gateskip/gate';
import { type Intervals, readIntervals } from './intervals.js';
import type { PolicyContext } from './policy.js';

/** Options that every skipping policy takes; see {@link readOptions}. */
export interface CommonOptions {
  /** 1 = never skips: [2L]. */
  readonly isProtected: Uint8Array;
  /** Number of unprotected branches. */
  readonly unprotected: number;
  /** First tokens of a sequence that never skip. */
  readonly pinnedTokens: number;
  readonly kv: KvMode;
  /** `{ standIns }` where the option is given, to spread into plans. */
  readonly standIns: Pick<Plan, 'standIns'>;
  /** What a skipping token's stand-in costs in one branch; 0 where the option says that there is none. */
  readonly standInMacs: number;
  /** Tokens of context at which costs by formula are taken. */
  readonly contextTokens: number;
  readonly intervals: Intervals;
}

const COMMON = ['protectedLayers', 'protectedBranches', 'pinnedTokens', 'kv', 'contextTokens', 'interval', 'standIns'] as const;
const KV_MODES: readonly unknown[] = ['project', 'absent', 'alias'];

/**
 * Reads the options that all policies share and refuses unknown ones.
 *
 * - `protectedLayers`, `protectedBranches`: never skip, beside those of the calibration. Without a calibration the first
 *   two layers and the last MLP are protected where the model has at least four layers, unless `protectedBranches` is given.
 * - `pinnedTokens`: default that of the calibration, else 1.
 * - `kv`: default that of the calibration, else `project`.
 * - `contextTokens`: default 512.
 * - `standIns`: whether skipping tokens receive the adapter's stand-ins; default true (no effect without stand-ins).
 * - `interval`: tokens between two changes of the thresholds after the prompt, or `growing` (default).
 *
 * @param more names of options that the policy reads itself
 * @throws InvalidArgumentError
 */
export function readOptions(context: PolicyContext, more: readonly string[] = []): CommonOptions {
  const options = context.options ?? {};
  const known: readonly string[] = [...COMMON, ...more];
  for (const name of Object.keys(options)) {
    if (!known.includes(name))
      throw new InvalidArgumentError(`Policy option ${JSON.stringify(name)} is not known.`, `Known: ${known.join(', ')}.`, { got: name });
  }
  const { calibration, shape } = context;
  const branches = branchCount(shape);
  const isProtected = new Uint8Array(branches);
  const given = readIndices(options, 'protectedBranches', branches);
  for (const branch of given ?? []) isProtected[branch] = 1;
  for (const branch of calibration?.protectedBranches ?? (given === undefined ? defaultProtected(shape.layers) : []))
    isProtected[branch] = 1;
  for (const layer of readIndices(options, 'protectedLayers', shape.layers) ?? []) isProtected.fill(1, 2 * layer, 2 * layer + 2);
  const kv = options.kv ?? calibration?.kv ?? 'project';
  if (!KV_MODES.includes(kv)) throw new InvalidArgumentError(`kv must be project, absent or alias, got ${JSON.stringify(kv)}.`);
  const { standIns } = options;
  if (standIns !== undefined && typeof standIns !== 'boolean')
    throw new InvalidArgumentError(`Policy option standIns must be true or false, got ${JSON.stringify(standIns)}.`, '', {
      what: 'standIns',
    });
  return {
    isProtected,
    unprotected: branches - isProtected.reduce((sum, flag) => sum + flag, 0),
    pinnedTokens: readInteger(options, 'pinnedTokens', 0, 65_536) ?? calibration?.pinnedTokens ?? 1,
    kv: kv as KvMode,
    standIns: standIns === undefined ? {} : { standIns },
    standInMacs: standIns === false ? 0 : (context.standInMacs ?? 0),
    contextTokens: contextTokensOf(options),
    intervals: readIntervals(options.interval),
  };
}

/**
 * {@link readOptions} for a policy that is told which branches skip: a default protection gives way to what is named, only a
 * protection by name contradicts it.
 *
 * @param named 1 = the branch is to skip: [2L]
 * @throws InvalidArgumentError
 */
export function readNamedOptions(context: PolicyContext, more: readonly string[], named: ArrayLike<number>): CommonOptions {
  const { calibration } = context;
  const read = readOptions(
    {
      ...context,
      ...(calibration && { calibration: { ...calibration, protectedBranches: [] } }),
      options: { protectedBranches: [], ...context.options },
    },
    more,
  );
  const both = read.isProtected.findIndex((flag, branch) => flag === 1 && named[branch]! > 0);
  if (both >= 0) throw new InvalidArgumentError(`Branch ${both} is both dropped and protected.`, 'Take it out of one of the lists.');
  return read;
}

/** Option `contextTokens`. @throws InvalidArgumentError */
export function contextTokensOf(options: Readonly<Record<string, unknown>>): number {
  return readInteger(options, 'contextTokens', 1, 2 ** 24) ?? 512;
}

export function readInteger(options: Readonly<Record<string, unknown>>, name: string, from: number, to: number): number | undefined {
  const value = options[name];
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < from || value > to) {
    throw new InvalidArgumentError(`Policy option ${name} must be an integer in ${from}..${to}, got ${JSON.stringify(value)}.`, '', {
      what: name,
      got: value,
    });
  }
  return value;
}

/** A list of different indices below `count`. */
export function readIndices(options: Readonly<Record<string, unknown>>, name: string, count: number): readonly number[] | undefined {
  const value = options[name];
  if (value === undefined) return undefined;
  const isIndex = (item: unknown) => typeof item === 'number' && Number.isInteger(item) && item >= 0 && item < count;
  if (!Array.isArray(value) || value.length > count || !value.every(isIndex)) {
    throw new InvalidArgumentError(`Policy option ${name} must be a list of integers in 0..${count - 1}.`, '', { what: name, got: value });
  }
  return value as readonly number[];
}

/** Branches that proved indispensable on the model we measured: the first two layers and the last MLP. */
function defaultProtected(layers: number): readonly number[] {
  return layers >= 4 ? [0, 1, 2, 3, 2 * layers - 1] : [];
}
