import { availableParallelism } from 'node:os';
import { benchSvg } from '../bench/bench-svg.js';
import { benchTable } from '../bench/bench-table.js';
import { builtFile, type FoundPeer, findPeer, type PeerName, peerModel } from '../bench/find-peer.js';
import { PeerProcess } from '../bench/peer-process.js';
import { type BenchSettings, type RacingPeer, runBench, startupTokens } from '../bench/run-bench.js';
import { tunePeer } from '../bench/tune-peer.js';
import { decodePromptTokens, prefillTokens, promptOf } from '../bench/workload.js';
import { TextInputError, UsageError } from '../errors.js';
import type { ModelOptions } from '../options/model-options.js';
import { toJson } from '../output/json.js';
import type { Output } from '../output/output.js';
import { withEngine } from '../session/session.js';
import { type OpenModel, withModel } from '../session/with-model.js';

export interface BenchOptions extends ModelOptions {
  readonly against?: readonly PeerName[];
  /** The Python that has llama-cpp-python. */
  readonly python?: string;
  readonly rounds?: number;
  readonly tokens?: number;
  readonly skip?: readonly number[];
  readonly batch?: readonly number[];
  readonly context?: readonly number[];
  readonly policy?: string;
  readonly kv?: 'project' | 'absent' | 'alias';
  readonly quick?: boolean;
  /** commander's form of --no-startup and --no-thread-sweep. */
  readonly startup: boolean;
  readonly threadSweep: boolean;
  readonly svg?: string;
  readonly out?: string;
}

/** Measures speed on this machine: dense, under budgets, and beside peers. */
export async function bench(reference: string, options: BenchOptions, output: Output): Promise<void> {
  const { against = [], python, quick = false } = options;
  // What is missing is said before minutes are spent.
  const found = against.map((name) => findPeer(name, output.io.env, python));
  await withModel({ reference, options, gatesWanted: true }, output, async (open) => {
    const entrants = found.map((peer) => ({ peer, modelPath: peerModel(peer.name, open.model, ggufPath(peer, open), output.io.env) }));
    const settings = await settingsOf(open, options, output);
    const needed = tokensNeeded(settings);
    const { contextLength } = open.model.config;
    if (needed.context > contextLength)
      throw new UsageError(
        `A bench of this model needs a context of ${needed.context} tokens, and it has ${contextLength}.`,
        'Give fewer --tokens or a shorter --context; a prompt of 512 must fit.',
        { what: 'context', expected: needed.context, got: contextLength },
      );
    const { threads } = options;
    const startedMs = performance.now();
    const load = { maxTokens: needed.rows, ...(threads !== undefined && { threads }) };
    const report = await withEngine(open, load, output, async (engine) => {
      const loadMs = performance.now() - startedMs;
      return withPeers(entrants, open, needed.context, quick, output, (peers) =>
        runBench({ ...open, engine, loadMs, backendWords: '' }, settings, peers, output),
      );
    });
    output.progress.clear();
    if (options.svg !== undefined) await writeText(options.svg, benchSvg(report), 'SVG', output);
    if (options.out !== undefined) await writeText(options.out, `${toJson(report)}\n`, 'Report', output);
    await output.print(benchTable(report));
    await output.document(report);
  });
}

async function settingsOf(open: OpenModel, options: BenchOptions, output: Output): Promise<BenchSettings> {
  const { quick = false } = options;
  const { policies, UnknownPolicyError, defaultPolicyName } = await import('@gateskip/scheduler');
  const names = policies.map(({ name }) => name);
  if (options.policy !== undefined && !names.includes(options.policy)) throw new UnknownPolicyError(options.policy, names);
  let { policy } = options;
  if (policy === undefined && !open.chosen) {
    output.warn(
      'there are no gates for these weights: branches are skipped at random, which costs as much time, but says nothing about text',
    );
    policy = 'random';
  }
  const main = options.startup && !quick ? builtFile('main.js') : undefined;
  if (options.startup && !quick && main === undefined)
    output.warn('start-up is measured with the built program only, and this one runs from sources');
  const words = ['run', open.resolved.path, 'Why is the sky blue?', '--raw', '--ignore-end', '-q', '-n', String(startupTokens)];
  words.push('--backend', open.backend.name, ...(options.threads === undefined ? [] : ['--threads', String(options.threads)]));
  return {
    rounds: options.rounds ?? (quick ? 2 : 6),
    decodeTokens: options.tokens ?? (quick ? 16 : 128),
    skips: (options.skip ?? (quick ? [0, 50] : [0, 10, 25, 50, 75])).map((percentage) => percentage / 100),
    batch: options.batch ?? [1, 8],
    context: options.context ?? [],
    policy: policy ?? defaultPolicyName,
    kv: options.kv ?? open.chosen?.adapter.calibration?.kv ?? 'project',
    probeSeconds: quick ? 0.05 : 0.25,
    threadSweep: options.threadSweep,
    startup: main === undefined ? undefined : { main, words },
  };
}

/** Longest sequence, and K/V rows of one layer over all sequences that run at once. */
function tokensNeeded({ decodeTokens, batch, context }: BenchSettings): { context: number; rows: number } {
  const longest = Math.max(prefillTokens + 1, decodePromptTokens + decodeTokens + 2, ...context.map((tokens) => tokens + decodeTokens + 2));
  const together = Math.max(0, ...batch) * (decodePromptTokens + decodeTokens + 8);
  return { context: longest, rows: Math.max(longest, together) };
}

function ggufPath({ name }: FoundPeer, { model }: OpenModel): string {
  const { path } = model;
  if (path?.endsWith('.gguf')) return path;
  throw new UsageError(`Peer "${name}" races on GGUF files only.`, 'Give a GGUF file, or leave --against out.', { what: '--against' });
}

/** Opens the model in each peer, finds its best thread counts, and ends all their processes whatever happens. */
async function withPeers<T>(
  entrants: readonly { readonly peer: FoundPeer; readonly modelPath: string }[],
  open: OpenModel,
  contextTokens: number,
  quick: boolean,
  output: Output,
  use: (peers: readonly RacingPeer[]) => Promise<T>,
): Promise<T> {
  const processes: PeerProcess[] = [];
  try {
    const racing: RacingPeer[] = [];
    const prompts = { decode: promptOf(open.model, decodePromptTokens), prefill: promptOf(open.model, prefillTokens) };
    const most = Math.min(64, availableParallelism());
    for (const { peer, modelPath } of entrants) {
      const { name, version } = peer;
      const racer = new PeerProcess(name, peer.start, output.signal);
      processes.push(racer);
      output.progress.report(`Opening the model in ${name}`);
      const details = await racer.open(modelPath, Math.max(1024, contextTokens));
      const tuned = await tunePeer(racer, most, prompts, quick ? 1 : 3, (done, total) =>
        output.progress.report(`Looking for the best thread count of ${name}`, done, total),
      );
      racing.push({ ...tuned, name, version, process: racer, details });
    }
    return await use(racing);
  } finally {
    for (const racer of processes) racer.close();
  }
}

async function writeText(path: string, text: string, what: string, output: Output): Promise<void> {
  const { writeFileAtomically } = await import('@gateskip/model');
  await writeFileAtomically(path, [Buffer.from(text)]).catch((error: Error) => {
    throw new TextInputError(`Cannot write ${path}: ${error.message}.`, 'Check the folder.', { what: path });
  });
  output.note(`${what} written to ${path}`);
}
