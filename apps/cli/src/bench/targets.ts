import type { BenchReport, Spread, TargetRow } from './bench-report.js';

type Measured = Omit<BenchReport, 'targets'>;
type Bound = Pick<TargetRow, 'name' | 'bound' | 'unit' | 'target' | 'aim'>;

/** The peer that the promises are made against; others are reported beside it. */
const yardstick = 'node-llama-cpp';

/** Our speed over the peer's, by the type that most of the 4-bit weights have. */
const peerTargets = {
  Q4_1: { decode: [2, 3], prefill512: [4, 12] },
  Q4_0: { decode: [1.5, 2.5], prefill512: [1.8, 4] },
} as const;

/** Beside the file and the K/V rows. */
const spareBytes = 150e6;

/** What is promised, row by row, and what this run made of it. @param kvBytes K/V rows of the start-up's answer */
export function targetsOf(report: Measured, kvBytes: number): TargetRow[] {
  const { skip, skipFit, batch8, bandwidthShare, startup, jsShare, threads, model, ratios } = report;
  const { Q4_0 = 0, Q4_1 = 0 } = model.tensorTypes;
  const rows: TargetRow[] = [];
  const atLeast = (name: string, unit: TargetRow['unit'], target: number, aim: number | null, measured: Spread | null | undefined) =>
    rows.push(judge({ name, bound: 'at least', unit, target, aim }, measured?.median));
  const atMost = (name: string, unit: TargetRow['unit'], target: number, aim: number | null, measured: number | undefined) =>
    rows.push(judge({ name, bound: 'at most', unit, target, aim }, measured));

  if (Q4_0 + Q4_1 > 0) {
    const type = Q4_1 >= Q4_0 ? 'Q4_1' : 'Q4_0';
    const { decode, prefill512 } = peerTargets[type];
    const ratio = ratios[yardstick];
    atLeast(`decode over ${yardstick}, ${type}`, 'ratio', decode[0], decode[1], ratio?.decode);
    atLeast(`prefill of 512 over ${yardstick}, ${type}`, 'ratio', prefill512[0], prefill512[1], ratio?.prefill512);
  }
  for (const asked of [0.25, 0.5]) {
    const row = skip.find((one) => one.skip === asked);
    atLeast(`decode at ${100 * asked} % skipped, of what the bytes allow`, 'share', 0.9, 0.97, row?.decodeEfficiency);
    atLeast(`prefill at ${100 * asked} % skipped, of what the MACs allow`, 'share', 0.9, 0.97, row?.prefillEfficiency);
  }
  // Through two points there always is a line.
  const intercept = skip.length >= 3 ? skipFit?.interceptShare : undefined;
  atMost('intercept of time against bytes, of the dense time', 'share', 0.15, null, intercept);
  atLeast('8 sequences together over one', 'ratio', 3, 6, batch8);
  atLeast('read bandwidth used in decode', 'share', 0.6, 0.8, bandwidthShare);
  atLeast('decode on two threads over one', 'ratio', 1, null, threads.find((row) => row.threads === 2)?.overOne?.decode);
  atMost('process start to first token', 'ms', 1000, 400, startup?.firstTokenMs.median);
  atMost('peak memory: file, K/V rows, 150 MB', 'bytes', model.sizeBytes + kvBytes + spareBytes, null, startup?.peakRssBytes.median);
  atMost('JavaScript of a decode step', 'share', 0.05, 0.02, jsShare.engine.median);
  return rows;
}

function judge(row: Bound, measured: number | undefined): TargetRow {
  if (measured === undefined) return { ...row, measured: null, met: null };
  return { ...row, measured, met: row.bound === 'at least' ? measured >= row.target : measured <= row.target };
}
