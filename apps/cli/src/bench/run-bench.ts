import { availableParallelism, cpus } from 'node:os';
import { UnreachableBudgetError } from '@gateskip/scheduler';
import type { Output } from '../output/output.js';
import type { Session } from '../session/session.js';
import { readVersion } from '../version.js';
import type { BenchReport, PeerReport, SkipRow, Speeds, UnreachedSkip } from './bench-report.js';
import { timeBatchDecode } from './decode-batch.js';
import { decodeBytesPerToken, storedBytesOf } from './decode-bytes.js';
import { type Limits, measureLimits } from './limits.js';
import { measureStartup } from './measure-startup.js';
import type { PeerProcess } from './peer-process.js';
import { promptLayerMacs, promptMacsLeft } from './prompt-macs.js';
import { fitLine, ratioSpread, spreadOf } from './spread.js';
import type { TunedPeer } from './tune-peer.js';
import { decodePromptTokens, generate, prefillTokens, promptOf, type SkipSetting, timeDecode, timePrefill } from './workload.js';

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
  /** The built program and its words; absent: start-up is not measured. */
  readonly startup?: { readonly main: string; readonly words: readonly string[] } | undefined;
}

export interface RacingPeer extends TunedPeer {
  readonly name: string;
  readonly version: string;
  readonly process: PeerProcess;
  readonly details: Readonly<Record<string, string | number | boolean>>;
}

/** What a budget did in its traced run, and its times and the dense ones beside them, round by round. */
interface SkipRun {
  readonly skip: number;
  readonly setting: SkipSetting;
  readonly held: number;
  readonly prefillHeld: number;
  readonly bytesPerToken: number;
  readonly macsLeft: number;
  readonly decode: number[];
  readonly denseDecode: number[];
  readonly prefill: number[];
  readonly densePrefill: number[];
}

/** Measures everything that is asked, in rounds: within a round each thing once, beside what it is compared with. */
export async function runBench(
  session: Session,
  settings: BenchSettings,
  peer: RacingPeer | undefined,
  output: Output,
): Promise<BenchReport> {
  const { engine, model, chosen } = session;
  const { signal } = output;
  const { rounds, decodeTokens, policy, kv } = settings;
  const { config } = model;
  const { details } = engine.runner;
  const threads = typeof details.threads === 'number' ? details.threads : undefined;
  const prompt = promptOf(model, prefillTokens);
  const short = prompt.slice(0, decodePromptTokens);
  const stored = storedBytesOf(model, details.kvFormat === 'f16' ? 2 : 4);

  output.progress.report('Warming up');
  const denseTrace = (await generate(engine, short, decodeTokens + 1, {}, signal, true)).trace;
  if (denseTrace === undefined) throw new Error('The engine gave no trace.');
  const denseBytes = decodeBytesPerToken(denseTrace, stored, 'project');
  await timePrefill(engine, prompt, {}, signal);
  const { skipRuns, unreached } = await prepareSkips();

  const decode: number[] = [];
  const prefill: number[] = [];
  const peerDecode: number[] = [];
  const peerPrefill: number[] = [];
  const limits: Limits[] = [];
  const batch = settings.batch.map((sequences) => ({ sequences, speeds: [] as number[] }));
  const context = settings.context.map((tokens) => ({ tokens, prompt: promptOf(model, tokens), speeds: [] as number[] }));
  const firstTokens: number[] = [];
  const peaks: number[] = [];
  // Files of the program and the model come into the page cache.
  if (settings.startup) await startUp(settings.startup, [], []);

  const stepsPerRound = 3 + skipRuns.length + batch.length + context.length + (settings.startup ? 1 : 0);
  let done = 0;
  const advance = (): void => output.progress.report('Measuring', done++, rounds * stepsPerRound);
  for (let round = 0; round < rounds; round++) {
    advance();
    const limit = await measureLimits(threads ?? availableParallelism(), settings.probeSeconds, output);
    if (limit) limits.push(limit);
    advance();
    const swapped = round % 2 === 1;
    await inTurns(swapped, [
      async () => void decode.push(await timeDecode(engine, short, decodeTokens, {}, signal)),
      async () => void (peer && peerDecode.push(await peer.process.decode(peer.threads.decode, short, decodeTokens))),
    ]);
    advance();
    await inTurns(swapped, [
      async () => void prefill.push(await timePrefill(engine, prompt, {}, signal)),
      async () => void (peer && peerPrefill.push(await peer.process.prefill(peer.threads.prefill512, prompt))),
    ]);
    for (const run of skipRuns) {
      advance();
      await inTurns(swapped, [
        async () => void run.denseDecode.push(await timeDecode(engine, short, decodeTokens, {}, signal)),
        async () => void run.decode.push(await timeDecode(engine, short, decodeTokens, run.setting, signal)),
      ]);
      await inTurns(swapped, [
        async () => void run.densePrefill.push(await timePrefill(engine, prompt, {}, signal)),
        async () => void run.prefill.push(await timePrefill(engine, prompt, run.setting, signal)),
      ]);
    }
    for (const { sequences, speeds } of batch) {
      advance();
      speeds.push(await timeBatchDecode(engine.runner, short, sequences, Math.max(4, decodeTokens >> 1), signal));
    }
    for (const { prompt: long, speeds } of context) {
      advance();
      speeds.push(await timeDecode(engine, long, Math.max(4, decodeTokens >> 1), {}, signal));
    }
    if (settings.startup) {
      advance();
      await startUp(settings.startup, firstTokens, peaks);
    }
  }

  const skip = skipRuns.map(describeSkip);
  const line = fitLine(skip.map(({ bytesLeft, decodeTimeLeft }) => ({ x: bytesLeft, y: decodeTimeLeft })));
  const read = limits.map(({ all }) => all.readBytesPerSecond);
  const peak = limits.flatMap(({ all }) => all.int8MacsPerSecond ?? []);
  const peakOne = limits.flatMap(({ one }) => one.int8MacsPerSecond ?? []);
  const promptMacs = promptLayerMacs(config, prefillTokens);
  const oneSequence = batch.find(({ sequences }) => sequences === 1)?.speeds;
  const tensorTypes: Record<string, number> = {};
  for (const { type, data } of model.tensors.values())
    tensorTypes[type] = (tensorTypes[type] ?? 0) + (data.kind === 'file' ? data.sizeBytes : data.bytes.byteLength);
  const peerSpeeds = peer && { decode: spreadOf(peerDecode), prefill512: spreadOf(peerPrefill) };

  return {
    schemaVersion: 1,
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
    batch: batch.map(({ sequences, speeds }) => ({
      sequences,
      tokensPerSecond: spreadOf(speeds),
      overOne: oneSequence ? ratioSpread(speeds, oneSequence) : null,
    })),
    context: context.map(({ tokens, speeds }) => ({ tokens, decode: spreadOf(speeds) })),
    startup: settings.startup ? { firstTokenMs: spreadOf(firstTokens), peakRssBytes: spreadOf(peaks), answerTokens: startupTokens } : null,
    peers: peer && peerSpeeds ? { [peer.name]: describePeer(peer, peerSpeeds) } : {},
    ratios: peer ? { [peer.name]: { decode: ratioSpread(decode, peerDecode), prefill512: ratioSpread(prefill, peerPrefill) } } : {},
  };

  async function prepareSkips(): Promise<{ skipRuns: SkipRun[]; unreached: UnreachedSkip[] }> {
    const skipRuns: SkipRun[] = [];
    const unreached: UnreachedSkip[] = [];
    for (const skip of settings.skips) {
      const setting: SkipSetting = { budget: { skip }, policy, kv };
      try {
        const answer = await generate(engine, short, decodeTokens + 1, setting, signal, true);
        const read = await generate(engine, prompt, 1, setting, signal);
        if (answer.trace === undefined) throw new Error('The engine gave no trace.');
        skipRuns.push({
          skip,
          setting,
          held: answer.skip.decode.skip,
          prefillHeld: read.skip.prefill.skip,
          bytesPerToken: decodeBytesPerToken(answer.trace, stored, kv),
          macsLeft: promptMacsLeft(config, prefillTokens, read.skip.prefill.net),
          decode: [],
          denseDecode: [],
          prefill: [],
          densePrefill: [],
        });
      } catch (error) {
        if (!(error instanceof UnreachableBudgetError)) throw error;
        unreached.push({ skip, reason: error.message });
      }
    }
    return { skipRuns, unreached };
  }

  async function startUp({ main, words }: NonNullable<BenchSettings['startup']>, times: number[], memory: number[]): Promise<void> {
    const { firstTokenMs, peakRssBytes } = await measureStartup(main, words, signal);
    times.push(firstTokenMs);
    memory.push(peakRssBytes);
  }

  function describeSkip(run: SkipRun): SkipRow {
    const decodeSpeedup = ratioSpread(run.decode, run.denseDecode);
    return {
      skip: run.skip,
      held: run.held,
      prefillHeld: run.prefillHeld,
      bytesLeft: run.bytesPerToken / denseBytes,
      macsLeft: run.macsLeft,
      decodeSpeedup,
      prefillSpeedup: ratioSpread(run.prefill, run.densePrefill),
      decodeTimeLeft: 1 / decodeSpeedup.median,
    };
  }
}

/** One after the other; swapped in every second round, because whoever comes second finds warmer caches. */
async function inTurns(swapped: boolean, turns: readonly (() => Promise<void>)[]): Promise<void> {
  for (const turn of swapped ? [...turns].reverse() : turns) await turn();
}

/** What the started program answers: long enough that memory has reached its peak. */
export const startupTokens = 64;

function describePeer({ version, threads, tried, details }: RacingPeer, speeds: Speeds): PeerReport {
  return { ...speeds, version, threads, tried, details };
}

function medianOrNull(values: readonly number[], unit: number): number | null {
  return values.length > 0 ? spreadOf(values).median / unit : null;
}
