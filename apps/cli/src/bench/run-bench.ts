import { availableParallelism, cpus } from 'node:os';
import type { Output } from '../output/output.js';
import type { Session } from '../session/session.js';
import { readVersion } from '../version.js';
import type { BenchReport, PeerReport, Speeds } from './bench-report.js';
import { timeBatchDecode } from './decode-batch.js';
import { decodeBytesPerToken, storedBytesOf } from './decode-bytes.js';
import { inTurns } from './in-turns.js';
import { type JsShares, measureJsShares } from './js-share.js';
import { type Limits, measureLimits } from './limits.js';
import { measureStartup } from './measure-startup.js';
import type { PeerProcess } from './peer-process.js';
import { promptLayerMacs } from './prompt-macs.js';
import { describeSkip, prepareSkips, timeSkip } from './skip-runs.js';
import { fitLine, ratioSpread, spreadOf } from './spread.js';
import { targetsOf } from './targets.js';
import { ThreadSweep } from './thread-sweep.js';
import { type TunedPeer, threadCounts } from './tune-peer.js';
import { decodePromptTokens, generate, prefillTokens, promptOf, timeDecode, timePrefill } from './workload.js';

export interface BenchSettings {
  readonly rounds: number;
  readonly decodeTokens: number;
  readonly skips: readonly number[];
  readonly batch: readonly number[];
  readonly context: readonly number[];
  readonly policy: string;
  readonly kv: 'project' | 'absent' | 'alias';
  /** For each rate of the machine, each round. */
  readonly probeSeconds: number;
  /** Whether the backend is also measured at other thread counts. */
  readonly threadSweep: boolean;
  /** The built program and its words; absent: start-up is not measured. */
  readonly startup?: { readonly main: string; readonly words: readonly string[] } | undefined;
}

export interface RacingPeer extends TunedPeer {
  readonly name: string;
  readonly version: string;
  readonly process: Pick<PeerProcess, 'decode' | 'prefill'>;
  readonly details: Readonly<Record<string, string | number | boolean>>;
}

/** Measures everything that is asked, in rounds: within a round each thing once, beside what it is compared with. */
export async function runBench(
  session: Session,
  settings: BenchSettings,
  peers: readonly RacingPeer[],
  output: Output,
): Promise<BenchReport> {
  const { engine, model, chosen } = session;
  const { signal } = output;
  const { rounds, decodeTokens, policy, kv } = settings;
  const batchTokens = Math.max(4, decodeTokens >> 1);
  const { config } = model;
  const { details } = engine.runner;
  const threads = typeof details.threads === 'number' ? details.threads : undefined;
  const prompt = promptOf(model, prefillTokens);
  const short = prompt.slice(0, decodePromptTokens);
  const stored = storedBytesOf(model, details.kvFormat, engine.runner.adapter?.gates);

  output.progress.report('Warming up');
  const denseTrace = (await generate(engine, short, decodeTokens + 1, {}, signal, true)).trace;
  if (denseTrace === undefined) throw new Error('The engine gave no trace.');
  const denseBytes = decodeBytesPerToken(denseTrace, stored, 'project');
  await timePrefill(engine, prompt, {}, signal);
  const work = { engine, short, prompt, decodeTokens, signal };
  const { skipRuns, unreached } = await prepareSkips(work, settings.skips, { policy, kv }, stored);
  const racers = peers.map((peer) => ({ peer, decode: [] as number[], prefill: [] as number[] }));

  const decode: number[] = [];
  const prefill: number[] = [];
  const jsShares: JsShares[] = [];
  const limits: Limits[] = [];
  const batch = settings.batch.map((sequences) => ({ sequences, speeds: [] as number[] }));
  const context = settings.context.map((tokens) => ({ tokens, prompt: promptOf(model, tokens), speeds: [] as number[] }));
  const firstTokens: number[] = [];
  const peaks: number[] = [];
  // Files of the program and the model come into the page cache.
  if (settings.startup) await startUp(settings.startup, [], []);

  // Only a native backend, which names its instructions, has threads to choose.
  const isNative = typeof details.instructionSet === 'string';
  const counts = settings.threadSweep && isNative ? threadCounts(Math.min(64, availableParallelism())) : [];
  const rowsOfSweep = Math.max(prefillTokens, decodePromptTokens + batchTokens) + 8;
  const sweep = await ThreadSweep.open(session.backend, model, counts, rowsOfSweep, output);
  try {
    await measureRounds();
  } finally {
    await sweep.close();
  }

  const skip = skipRuns.map((run) => describeSkip(run, denseBytes));
  const line = fitLine(skip.map(({ bytesLeft, decodeTimeLeft }) => ({ x: bytesLeft, y: decodeTimeLeft })));
  const read = limits.map(({ all }) => all.readBytesPerSecond);
  const peak = limits.flatMap(({ all }) => all.int8MacsPerSecond ?? []);
  const peakOne = limits.flatMap(({ one }) => one.int8MacsPerSecond ?? []);
  const promptMacs = promptLayerMacs(config, prefillTokens);
  const oneSequence = batch.find(({ sequences }) => sequences === 1)?.speeds;
  const tensorTypes: Record<string, number> = {};
  for (const { type, data } of model.tensors.values())
    tensorTypes[type] = (tensorTypes[type] ?? 0) + (data.kind === 'file' ? data.sizeBytes : data.bytes.byteLength);
  const batchRows = batch.map(({ sequences, speeds }) => ({
    sequences,
    tokensPerSecond: spreadOf(speeds),
    overOne: oneSequence ? ratioSpread(speeds, oneSequence) : null,
  }));

  const measured = {
    schemaVersion: 1 as const,
    date: new Date().toISOString(),
    machine: {
      cpu: cpus()[0]?.model.trim() ?? 'unknown',
      cores: availableParallelism(),
      platform: `${process.platform}-${process.arch}`,
      instructionSet: typeof details.instructionSet === 'string' ? details.instructionSet : null,
      threads: threads ?? null,
      readBandwidthGBs: medianOrNull(read, 1e9),
      readBandwidthSpread: read.length > 0 ? spreadOf(read.map((bytesPerSecond) => bytesPerSecond / 1e9)) : null,
      readBandwidthOneThreadGBs: medianOrNull(
        limits.map(({ one }) => one.readBytesPerSecond),
        1e9,
      ),
      int8GmacsPerSecond: medianOrNull(peak, 1e9),
      int8OneThreadGmacsPerSecond: medianOrNull(peakOne, 1e9),
    },
    versions: { gateskip: readVersion(), node: process.versions.node },
    backend: session.backend.name,
    model: { name: config.name, fingerprint: model.fingerprint, sizeBytes: model.sizeBytes, tensorTypes },
    workload: { rounds, decodeTokens, decodePromptTokens, prefillTokens, policy, kv, adapter: chosen?.adapter.name ?? null },
    dense: { decode: spreadOf(decode), prefill512: spreadOf(prefill), decodeBytesPerToken: denseBytes },
    skip,
    unreached,
    skipFit: line ? { interceptShare: line.intercept, slope: line.slope } : null,
    bandwidthShare: read.length === rounds ? spreadOf(decode.map((speed, i) => (speed * denseBytes) / (read[i] as number))) : null,
    int8Share:
      peak.length === rounds ? spreadOf(prefill.map((speed, i) => ((speed / prefillTokens) * promptMacs) / (peak[i] as number))) : null,
    batch: batchRows,
    batch8: batchRows.find(({ sequences }) => sequences === 8)?.overOne ?? null,
    context: context.map(({ tokens, speeds }) => ({ tokens, decode: spreadOf(speeds) })),
    startup: settings.startup ? { firstTokenMs: spreadOf(firstTokens), peakRssBytes: spreadOf(peaks), answerTokens: startupTokens } : null,
    threads: sweep.rows(),
    jsShare: describeJsShares(jsShares),
    peers: Object.fromEntries(racers.map((racer) => [racer.peer.name, describePeer(racer)])),
    ratios: Object.fromEntries(
      racers.map((racer): [string, Speeds] => [
        racer.peer.name,
        { decode: ratioSpread(decode, racer.decode), prefill512: ratioSpread(prefill, racer.prefill) },
      ]),
    ),
  };
  // The prompt of the start-up is short; a little more than it counts is nothing beside the weights.
  const kvBytes = (startupTokens + decodePromptTokens) * config.layers * stored.kvRow;
  return { ...measured, targets: targetsOf(measured, kvBytes) };

  async function measureRounds(): Promise<void> {
    const fixedSteps = 4 + (counts.length > 0 ? 1 : 0) + (settings.startup ? 1 : 0);
    const stepsPerRound = fixedSteps + skipRuns.length + batch.length + context.length;
    let done = 0;
    const advance = (): void => output.progress.report('Measuring', done++, rounds * stepsPerRound);
    for (let round = 0; round < rounds; round++) {
      const swapped = round % 2 === 1;
      advance();
      const limit = await measureLimits(threads ?? availableParallelism(), settings.probeSeconds, output);
      if (limit) limits.push(limit);
      advance();
      await inTurns(swapped, [
        async () => void decode.push(await timeDecode(engine, short, decodeTokens, {}, signal)),
        ...racers.map(
          (racer) => async () => void racer.decode.push(await racer.peer.process.decode(racer.peer.threads.decode, short, decodeTokens)),
        ),
      ]);
      advance();
      await inTurns(swapped, [
        async () => void prefill.push(await timePrefill(engine, prompt, {}, signal)),
        ...racers.map(
          (racer) => async () => void racer.prefill.push(await racer.peer.process.prefill(racer.peer.threads.prefill512, prompt)),
        ),
      ]);
      for (const run of skipRuns) {
        advance();
        await timeSkip(run, work, swapped);
      }
      for (const { sequences, speeds } of batch) {
        advance();
        speeds.push(await timeBatchDecode(engine.runner, short, sequences, batchTokens, signal));
      }
      for (const { prompt: long, speeds } of context) {
        advance();
        speeds.push(await timeDecode(engine, long, batchTokens, {}, signal));
      }
      advance();
      jsShares.push(await measureJsShares(engine, short, decodeTokens, signal));
      if (counts.length > 0) {
        advance();
        await sweep.round(short, prompt, batchTokens, swapped, signal);
      }
      if (settings.startup) {
        advance();
        await startUp(settings.startup, firstTokens, peaks);
      }
    }
  }

  async function startUp({ main, words }: NonNullable<BenchSettings['startup']>, times: number[], memory: number[]): Promise<void> {
    const { firstTokenMs, peakRssBytes } = await measureStartup(main, words, signal);
    times.push(firstTokenMs);
    memory.push(peakRssBytes);
  }
}

/** What the started program answers: long enough that memory has reached its peak. */
export const startupTokens = 64;

function describePeer({ peer, decode, prefill }: { peer: RacingPeer; decode: number[]; prefill: number[] }): PeerReport {
  const { version, threads, tried, details } = peer;
  return { decode: spreadOf(decode), prefill512: spreadOf(prefill), version, threads, tried, details };
}

function describeJsShares(shares: readonly JsShares[]): BenchReport['jsShare'] {
  const microseconds = shares.flatMap(({ engineMicroseconds }) => engineMicroseconds ?? []);
  return {
    engine: spreadOf(shares.map(({ engine }) => engine)),
    runner: spreadOf(shares.map(({ runner }) => runner)),
    engineMicroseconds: microseconds.length > 0 ? spreadOf(microseconds) : null,
  };
}

function medianOrNull(values: readonly number[], unit: number): number | null {
  return values.length > 0 ? spreadOf(values).median / unit : null;
}
