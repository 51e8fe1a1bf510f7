import { bytes, percent, seconds } from '../output/format.js';
import { pairs, table } from '../output/table.js';
import type { BenchReport, Spread, TargetRow } from './bench-report.js';

const figure = (value: number): string => (value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2));
const speed = ({ median, low, high }: Spread): string => `${figure(median)} (${figure(low)}-${figure(high)})`;
const times = ({ median, low, high }: Spread): string => `${median.toFixed(2)}x (${low.toFixed(2)}-${high.toFixed(2)})`;
const share = ({ median, low, high }: Spread): string => `${percent(median, 0)} (${percent(low, 0)}-${percent(high, 0)})`;

/** The report for people. */
export function benchTable(report: BenchReport): string {
  const { machine, model, workload, dense } = report;
  const parts: string[] = [];
  parts.push(
    pairs([
      [
        'model',
        `${model.name}, ${bytes(model.sizeBytes)} (${Object.entries(model.tensorTypes)
          .map(([type, size]) => `${type} ${bytes(size)}`)
          .join(', ')})`,
      ],
      ['machine', `${machine.cpu}, ${machine.cores} cores, ${machine.platform}`],
      ['backend', `${report.backend}${machine.instructionSet === null ? '' : `, ${machine.instructionSet}, ${machine.threads} threads`}`],
      ...(machine.readBandwidthSpread ? [['reads', `${speed(machine.readBandwidthSpread)} GB/s`] as const] : []),
      ...(machine.int8GmacsPerSecond === null ? [] : [['int8 peak', `${figure(machine.int8GmacsPerSecond)} GMAC/s`] as const]),
      [
        'workload',
        `${workload.decodeTokens} tokens after ${workload.decodePromptTokens}, a prompt of ${workload.prefillTokens}; median (lowest-highest) of ${workload.rounds} rounds`,
      ],
    ]),
  );
  const rows = [['gateskip', `${machine.threads ?? ''}`, speed(dense.decode), speed(dense.prefill512), '', '']];
  for (const [name, peer] of Object.entries(report.peers)) {
    const ratio = report.ratios[name];
    rows.push([
      `${name} ${peer.version}`,
      `${peer.threads.decode}/${peer.threads.prefill512}`,
      speed(peer.decode),
      speed(peer.prefill512),
      ratio ? times(ratio.decode) : '',
      ratio ? times(ratio.prefill512) : '',
    ]);
  }
  const header = ['dense, tokens/s', 'threads', 'decode', 'prefill 512', ...(rows.length > 1 ? ['we are: decode', 'prefill'] : [])];
  parts.push(table(header, rows, [1, 2, 3, 4, 5]));
  parts.push(limits(report));
  if (report.skip.length > 0) {
    parts.push(
      table(
        ['skip', 'held', 'bytes left', 'decode', 'at best', 'of it', 'prompt held', 'MACs left', 'prefill', 'at best', 'of it'],
        report.skip.map((row) => [
          percent(row.skip, 0),
          percent(row.held),
          percent(row.bytesLeft),
          times(row.decodeSpeedup),
          `${(1 / row.bytesLeft).toFixed(2)}x`,
          percent(row.decodeEfficiency.median, 0),
          percent(row.prefillHeld),
          percent(row.macsLeft),
          times(row.prefillSpeedup),
          `${(1 / row.macsLeft).toFixed(2)}x`,
          percent(row.prefillEfficiency.median, 0),
        ]),
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
      ),
    );
    const gates = workload.adapter === null ? 'no gates' : `gates ${workload.adapter}`;
    const fit = report.skipFit;
    const line = fit ? `; decode time left = ${fit.slope.toFixed(3)} x bytes left + ${fit.interceptShare.toFixed(3)}` : '';
    parts.push(`policy ${workload.policy}, kv ${workload.kv}, ${gates}${line}\n`);
  }
  for (const { skip, reason } of report.unreached) parts.push(`skip ${percent(skip, 0)} is out of reach: ${reason}\n`);
  if (report.threads.length > 1)
    parts.push(
      table(
        ['threads', 'decode', 'over one', 'prefill 512', 'over one'],
        report.threads.map(({ threads, decode, prefill512, overOne }) => [
          `${threads}`,
          speed(decode),
          overOne ? times(overOne.decode) : '',
          speed(prefill512),
          overOne ? times(overOne.prefill512) : '',
        ]),
        [0, 1, 2, 3, 4],
      ),
    );
  if (report.batch.length > 0)
    parts.push(
      table(
        ['sequences', 'tokens/s', 'over one'],
        report.batch.map((row) => [`${row.sequences}`, speed(row.tokensPerSecond), row.overOne ? times(row.overOne) : '']),
        [0, 1, 2],
      ),
    );
  if (report.context.length > 0)
    parts.push(
      table(
        ['context', 'decode, tokens/s'],
        report.context.map((row) => [`${row.tokens}`, speed(row.decode)]),
        [0, 1],
      ),
    );
  parts.push(targets(report.targets));
  return parts.filter((part) => part !== '').join('\n');
}

function targets(rows: readonly TargetRow[]): string {
  const amount = (unit: TargetRow['unit'], value: number): string =>
    unit === 'ratio' ? `${value.toFixed(2)}x` : unit === 'share' ? percent(value) : unit === 'ms' ? seconds(value) : bytes(value);
  return table(
    ['target', 'asked', 'aim', 'measured', 'met'],
    rows.map(({ name, bound, unit, target, aim, measured, met }) => [
      name,
      `${bound === 'at least' ? '>=' : '<='} ${amount(unit, target)}`,
      aim === null ? '' : amount(unit, aim),
      measured === null ? 'not measured' : amount(unit, measured),
      met === null ? '' : met ? 'yes' : 'no',
    ]),
    [1, 2, 3],
  );
}

function limits({ bandwidthShare, int8Share, dense, jsShare, startup }: BenchReport): string {
  const lines: (readonly [string, string])[] = [];
  if (bandwidthShare) lines.push(['decode', `${share(bandwidthShare)} of the read bandwidth, ${bytes(dense.decodeBytesPerToken)} a token`]);
  if (int8Share) lines.push(['prefill', `${share(int8Share)} of the int8 peak`]);
  const js = ({ median, low, high }: Spread): string => `${percent(median)} (${percent(low)}-${percent(high)})`;
  const alone = jsShare.engineMicroseconds ? `; ${figure(jsShare.engineMicroseconds.median)} us of processor time a token` : '';
  lines.push(['JavaScript', `${js(jsShare.engine)} of a decode step in the engine, ${js(jsShare.runner)} in bare steps${alone}`]);
  if (startup)
    lines.push([
      'start-up',
      `first token after ${seconds(startup.firstTokenMs.median)} (${seconds(startup.firstTokenMs.low)}-${seconds(startup.firstTokenMs.high)}), peak memory ${bytes(startup.peakRssBytes.median)}`,
    ]);
  return pairs(lines);
}
