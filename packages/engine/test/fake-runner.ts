import type { Backend, Capabilities, Runner, SequenceId, StepInput, StepResult } from '@gateskip/backend';
import { AbortedError, BusyError, InsufficientMemoryError, InvalidArgumentError } from '@gateskip/errors';
import type { Plan } from '@gateskip/gate';
import type { Model, ModelConfig, Tokenizer } from '@gateskip/model';

export interface FakeOptions {
  /** Most tokens of all sequences together. */
  capacity?: number;
  /** Logit of `token` after these tokens of one sequence. Default: a hash of all of them. */
  logit?: (history: readonly number[], token: number) => number;
  /** Answers within the same turn of the event loop, like a backend that computes on the JavaScript thread. */
  sameTurn?: boolean;
  /** Called before each step; may throw or reject. */
  before?: (input: StepInput, histories: ReadonlyMap<SequenceId, readonly number[]>, plans: readonly Plan[]) => void | Promise<void>;
}

export interface FakeRunner extends Runner {
  readonly steps: { rows: number; segments: { sequence: number; length: number }[]; topLogits: number | undefined }[];
  readonly open: ReadonlyMap<SequenceId, readonly number[]>;
}

const layers = 2;

export function fakeConfig(vocabularySize: number, contextLength = 256): ModelConfig {
  return {
    architecture: 'llama',
    name: 'fake',
    layers,
    hiddenSize: 8,
    heads: 2,
    kvHeads: 1,
    headSize: 4,
    intermediateSize: 16,
    vocabularySize,
    contextLength,
    rmsNormEpsilon: 1e-5,
    ropeTheta: 10000,
    ropeLayout: 'half',
    ropeSize: 4,
    tiedEmbeddings: true,
  };
}

export function fakeModel(tokenizer: Tokenizer | undefined, vocabularySize = tokenizer?.vocabularySize ?? 32, contextLength = 256): Model {
  return {
    config: fakeConfig(vocabularySize, contextLength),
    tensors: new Map(),
    ...(tokenizer ? { tokenizer } : {}),
    fingerprint: 'fake',
    sizeBytes: 0,
    read: () => Promise.reject(new Error('no tensors')),
    close: () => Promise.resolve(),
  };
}

/** FNV-like hash of the tokens and the candidate, to [0, 8): deterministic text without a model. */
export function hashLogit(history: readonly number[], token: number): number {
  let hash = 2166136261;
  for (const known of history) hash = Math.imul(hash ^ known, 16777619) >>> 0;
  hash = Math.imul(hash ^ (token + 7919), 0x9e3779b1) >>> 0;
  hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b) >>> 0;
  return Math.fround(((hash >>> 8) / 16777216) * 8);
}

/** A backend whose logits are a function of a sequence's own tokens: keeps the contract, checks its caller. */
export function fakeBackend(options: FakeOptions = {}): Backend & { runner: () => FakeRunner } {
  let latest: FakeRunner | undefined;
  return {
    name: 'fake',
    probe: () => Promise.resolve({ available: true, reasons: [], details: {} }),
    explain: () => Promise.resolve([]),
    load: (model) => {
      latest = createRunner(model.config, options);
      return Promise.resolve(latest);
    },
    runner: () => latest as FakeRunner,
  };
}

function createRunner(config: ModelConfig, options: FakeOptions): FakeRunner {
  const open = new Map<SequenceId, number[]>();
  const steps: FakeRunner['steps'] = [];
  const capabilities: Capabilities = {
    rules: ['keep'],
    scorers: ['none'],
    kvModes: ['project', 'absent'],
    canTrain: false,
    batchInvariant: true,
  };
  const logit = options.logit ?? hashLogit;
  let nextId = 1;
  let busy = false;
  const idle = (): void => {
    if (busy) throw new BusyError('The fake runner');
  };
  const tokensOf = (id: SequenceId): number[] => {
    const tokens = open.get(id);
    if (!tokens) throw new InvalidArgumentError(`Unknown sequence ${id}.`);
    return tokens;
  };
  const run = async (input: StepInput, plans: readonly Plan[], signal: AbortSignal | undefined): Promise<StepResult> => {
    await options.before?.(input, open, plans);
    // Native backends answer from another thread: a later turn of the event loop.
    if (!options.sameTurn) await new Promise((resolve) => setImmediate(resolve));
    if (signal?.aborted) throw new AbortedError('The step');
    const rows = input.tokens.length;
    const used = [...open.values()].reduce((sum, tokens) => sum + tokens.length, 0);
    if (used + rows > (options.capacity ?? Number.POSITIVE_INFINITY))
      throw new InsufficientMemoryError('K/V rows', used + rows, options.capacity ?? 0);
    const outputs: number[][] = [];
    const seen = new Set<SequenceId>();
    const wanted = new Set(input.outputs);
    const planRows = new Float64Array(plans.length);
    let covered = 0;
    for (const segment of input.segments) {
      if (segment.start !== covered || segment.length < 1 || seen.has(segment.sequence) || !plans[segment.plan])
        throw new Error('bad segment');
      covered += segment.length;
      seen.add(segment.sequence);
      planRows[segment.plan] = (planRows[segment.plan] ?? 0) + segment.length;
      const tokens = tokensOf(segment.sequence);
      if (tokens.length + segment.length > config.contextLength) throw new Error('past the context');
      for (let row = segment.start; row < segment.start + segment.length; row++) {
        tokens.push(input.tokens[row] as number);
        if (wanted.has(row)) outputs.push(Array.from({ length: config.vocabularySize }, (_, token) => Math.fround(logit(tokens, token))));
      }
    }
    if (covered !== rows || outputs.length !== input.outputs.length) throw new Error('segments do not cover the rows');
    steps.push({ rows, segments: input.segments.map(({ sequence, length }) => ({ sequence, length })), topLogits: input.topLogits });
    const branches = 2 * layers;
    const kept = new Uint32Array(plans.length * branches);
    for (const [plan, count] of planRows.entries()) kept.fill(count, plan * branches, (plan + 1) * branches);
    return {
      ...(input.topLogits === undefined ? { logits: Float32Array.from(outputs.flat()) } : { top: topOf(outputs, input.topLogits) }),
      kept,
      macs: planRows.map((count) => count * 100),
      denseMacs: planRows.map((count) => count * 100),
      ...(input.want?.scores ? { scores: new Float32Array(branches * rows).fill(Number.NaN) } : {}),
      ...(input.want?.keptRows ? { keptRows: new Uint8Array(branches * rows).fill(1) } : {}),
    };
  };
  return {
    backend: 'fake',
    config,
    adapter: undefined,
    capabilities,
    details: {},
    steps,
    open,
    openSequence() {
      idle();
      open.set(nextId, []);
      return nextId++;
    },
    fork(sequence, length) {
      idle();
      open.set(nextId, tokensOf(sequence).slice(0, length));
      return nextId++;
    },
    truncate(sequence, length) {
      idle();
      tokensOf(sequence).length = length;
    },
    closeSequence(sequence) {
      idle();
      tokensOf(sequence);
      open.delete(sequence);
    },
    sequenceLength: (sequence) => tokensOf(sequence).length,
    kvUsage(sequence) {
      const tokens = sequence === undefined ? [...open.values()].reduce((sum, own) => sum + own.length, 0) : tokensOf(sequence).length;
      return { used: tokens * layers, dense: tokens * layers, bytes: tokens };
    },
    async step(input, plans, signal) {
      idle();
      if (signal?.aborted) throw new AbortedError('The step');
      busy = true;
      try {
        return await run(input, plans, signal);
      } finally {
        busy = false;
      }
    },
    close: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function topOf(outputs: readonly number[][], count: number): NonNullable<StepResult['top']> {
  const order = outputs.map((logits) =>
    logits.map((_, token) => token).sort((a, b) => (logits[b] as number) - (logits[a] as number) || a - b),
  );
  return {
    count,
    tokens: Int32Array.from(order.flatMap((tokens) => tokens.slice(0, count))),
    logits: Float32Array.from(
      order.flatMap((tokens, output) => tokens.slice(0, count).map((token) => (outputs[output] as number[])[token] as number)),
    ),
    logSumExp: Float32Array.from(outputs, (logits) => {
      const largest = Math.max(...logits);
      return largest + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - largest), 0));
    }),
  };
}
