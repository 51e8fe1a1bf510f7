import { readdirSync, readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import type { BenchReport, Spread } from '../src/bench/bench-report.js';
import { benchSvg } from '../src/bench/bench-svg.js';
import { benchTable } from '../src/bench/bench-table.js';
import { scaledSpread } from '../src/bench/spread.js';
import { targetsOf } from '../src/bench/targets.js';
import { spreadOut } from '../src/bench/thread-sweep.js';

const benchmarks = new URL('../../../benchmarks/', import.meta.url);
const schema = JSON.parse(readFileSync(new URL('bench.schema.json', benchmarks), 'utf8')) as object;
const validate = new Ajv2020({ allErrors: true, allowUnionTypes: true }).compile(schema);

const around = (median: number): Spread => ({ median, low: 0.9 * median, high: 1.1 * median });
const speeds = (decode: number, prefill512: number) => ({ decode: around(decode), prefill512: around(prefill512) });

function skipRow(skip: number, bytesLeft: number, speedup: number) {
  return {
    skip,
    held: skip,
    prefillHeld: skip,
    bytesLeft,
    macsLeft: 1 - skip / 2,
    decodeSpeedup: around(speedup),
    prefillSpeedup: around(1.25),
    decodeEfficiency: around(speedup * bytesLeft),
    prefillEfficiency: around(1.25 * (1 - skip / 2)),
    decodeTimeLeft: 1 / speedup,
  };
}

const peer = { version: '1.2.3', threads: { decode: 1, prefill512: 2 }, tried: [{ threads: 1, decode: 5, prefill512: 6 }], details: {} };
const sizeBytes = 1e8;

const measured: Omit<BenchReport, 'targets'> = {
  schemaVersion: 1,
  date: '2026-01-02T03:04:05.000Z',
  machine: {
    cpu: 'a processor',
    cores: 2,
    platform: 'linux-x64',
    instructionSet: 'avx2',
    threads: 2,
    readBandwidthGBs: 40,
    readBandwidthSpread: around(40),
    readBandwidthOneThreadGBs: 30,
    int8GmacsPerSecond: 400,
    int8OneThreadGmacsPerSecond: 200,
  },
  versions: { gateskip: '0.0.0', node: '20.20.0' },
  backend: 'cpu',
  model: { name: 'small', fingerprint: 'a'.repeat(64), sizeBytes, tensorTypes: { Q4_1: 6e7, Q8_0: 3e7, F32: 1000 } },
  workload: { rounds: 6, decodeTokens: 128, decodePromptTokens: 32, prefillTokens: 512, policy: 'random', kv: 'project', adapter: null },
  dense: { ...speeds(200, 2000), decodeBytesPerToken: 9e7 },
  skip: [skipRow(0, 1, 1), skipRow(0.25, 0.8, 1.2), skipRow(0.5, 0.6, 1.4)],
  unreached: [],
  skipFit: { interceptShare: 0.1, slope: 0.9 },
  bandwidthShare: around(0.7),
  int8Share: around(0.3),
  batch: [{ sequences: 8, tokensPerSecond: around(700), overOne: around(3.5) }],
  batch8: around(3.5),
  context: [],
  threads: [
    { threads: 1, ...speeds(150, 1000), overOne: speeds(1, 1) },
    { threads: 2, ...speeds(120, 1900), overOne: speeds(0.8, 1.9) },
  ],
  jsShare: { engine: { median: 0.03, low: 0, high: 0.04 }, runner: { median: 0.01, low: 0, high: 0.02 }, engineMicroseconds: around(100) },
  startup: { firstTokenMs: around(500), peakRssBytes: around(3e8), answerTokens: 64 },
  peers: { 'node-llama-cpp': { ...peer, ...speeds(80, 400) }, 'llama-cpp-python': { ...peer, ...speeds(160, 500) } },
  ratios: { 'node-llama-cpp': speeds(2.5, 5), 'llama-cpp-python': speeds(1.25, 4) },
};
const report: BenchReport = { ...measured, targets: targetsOf(measured, 1e6) };
const met = (of: BenchReport | readonly BenchReport['targets'][number][]) =>
  Object.fromEntries(('targets' in of ? of.targets : of).map((row) => [row.name, row.met]));

describe('the report', () => {
  it('follows its schema, and so do the reports of before', () => {
    expect(validate(report), JSON.stringify(validate.errors)).toBe(true);
    const results = readdirSync(new URL('results/', benchmarks)).filter((name) => name.endsWith('.json'));
    expect(results.length).toBeGreaterThan(0);
    for (const name of results) {
      const before = JSON.parse(readFileSync(new URL(`results/${name}`, benchmarks), 'utf8')) as BenchReport;
      expect(validate(before), `${name}: ${JSON.stringify(validate.errors)}`).toBe(true);
      expect(before.ratios['node-llama-cpp']).toEqual({ decode: expect.anything(), prefill512: expect.anything() });
    }
    expect(validate({ ...report, targets: [{ name: 'x' }] })).toBe(false);
  });

  it('says of each target whether it is met', () => {
    expect(met(report)).toEqual({
      'decode over node-llama-cpp, Q4_1': true,
      'prefill of 512 over node-llama-cpp, Q4_1': true,
      'decode at 25 % skipped, of what the bytes allow': true,
      'prefill at 25 % skipped, of what the MACs allow': true,
      'decode at 50 % skipped, of what the bytes allow': false,
      'prefill at 50 % skipped, of what the MACs allow': true,
      'intercept of time against bytes, of the dense time': true,
      '8 sequences together over one': true,
      'read bandwidth used in decode': true,
      'decode on two threads over one': false,
      'process start to first token': true,
      'peak memory: file, K/V rows, 150 MB': false,
      'JavaScript of a decode step': true,
    });
  });

  it('judges by the type of the file, and leaves open what was not measured', () => {
    const model = { ...measured.model, tensorTypes: { Q4_0: 6e7, Q8_0: 3e7 } };
    const slow = targetsOf({ ...measured, model, ratios: { 'node-llama-cpp': speeds(1.4, 1.9) } }, 0);
    expect(slow.slice(0, 2)).toMatchObject([
      { name: 'decode over node-llama-cpp, Q4_0', target: 1.5, aim: 2.5, measured: 1.4, met: false },
      { name: 'prefill of 512 over node-llama-cpp, Q4_0', target: 1.8, aim: 4, measured: 1.9, met: true },
    ]);
    const bare = targetsOf({ ...measured, ratios: {}, skip: [], skipFit: null, batch8: null, startup: null, threads: [] }, 0);
    expect(bare.filter((row) => row.met === null)).toHaveLength(11);
    expect(bare.filter((row) => row.measured === null)).toHaveLength(11);
    const twoPoints = targetsOf({ ...measured, skip: measured.skip.slice(0, 2) }, 0);
    expect(twoPoints.find(({ name }) => name.startsWith('intercept'))?.met).toBeNull();
    // No promise is made for files without 4-bit weights.
    const eightBit = targetsOf({ ...measured, model: { ...measured.model, tensorTypes: { Q8_0: 9e7 } } }, 0);
    expect(eightBit.some(({ name }) => name.includes('node-llama-cpp'))).toBe(false);
  });

  it('is a table with every part', () => {
    const text = benchTable(report);
    for (const line of [
      /^gateskip +2 +200 \(180-220\) +2000 \(1800-2200\)$/m,
      /^node-llama-cpp 1\.2\.3 +1\/2 +80\.0 .* 2\.50x \(2\.25-2\.75\) +5\.00x/m,
      /^llama-cpp-python 1\.2\.3 +1\/2 .* 1\.25x/m,
      /^JavaScript +3\.0 % \(0\.0 %-4\.0 %\) of a decode step in the engine, 1\.0 % .* 100 us/m,
      /^ *50 % .* 1\.67x +84 % .* 94 %$/m,
      /decode time left = 0\.900 x bytes left \+ 0\.100/,
      /^ +2 +120 .* 0\.80x .* 1\.90x/m,
      /^JavaScript of a decode step +<= 5\.0 % +2\.0 % +3\.0 % +yes$/m,
      /^decode on two threads over one +>= 1\.00x +0\.80x +no$/m,
    ])
      expect(text).toMatch(line);
    const open = benchTable({ ...report, targets: targetsOf({ ...measured, startup: null }, 0) });
    expect(open).toMatch(/^process start to first token +<= 1\.00 s +0\.40 s +not measured$/m);
  });

  it('is drawn with what each budget reached of what the bytes allow', () => {
    const svg = benchSvg(report);
    expect(svg).toContain('25 % asked: 96 % of what the bytes allow');
    expect(svg).toContain('50 % asked: 84 % of what the bytes allow');
    expect(svg).toContain('intercept 10.0 % of the dense time');
    expect(svg.match(/<circle /g)).toHaveLength(3);
    expect(svg).not.toContain('NaN');
  });
});

describe('numbers of the report', () => {
  it('are scaled at all three ends', () => {
    expect(scaledSpread({ median: 2, low: 1, high: 4 }, 0.5)).toEqual({ median: 1, low: 0.5, high: 2 });
  });

  it('keep the ends of what there is no room for', () => {
    expect(spreadOut([1, 2, 3, 4, 5, 6, 7, 8], 3)).toEqual([1, 5, 8]);
    expect(spreadOut([1, 2, 3], 1)).toEqual([3]);
    expect(spreadOut([1, 2], 5)).toEqual([1, 2]);
    expect(spreadOut([4], 2)).toEqual([4]);
  });
});
