import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { GenerationTrace } from '@gateskip/engine';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { beforeAll, describe, expect, it } from 'vitest';
import type { BenchReport } from '../src/bench/bench-report.js';
import { decodeBytesPerToken } from '../src/bench/decode-bytes.js';
import { fitLine, ratioSpread, spreadOf } from '../src/bench/spread.js';
import { threadCounts } from '../src/bench/tune-peer.js';
import { commandLine, documentOf, type ErrorDocument, testFolder } from './support/command-line.js';
import { writeTinyModel } from './support/tiny-model.js';

const folder = testFolder();
const model = join(folder, 'tiny.gguf');
const short = join(folder, 'short.gguf');
const quick = ['bench', model, '--backend', 'reference', '--quick', '--rounds', '1', '-n', '4'];

const schema = JSON.parse(readFileSync(new URL('../../../benchmarks/bench.schema.json', import.meta.url), 'utf8')) as object;
const validate = new Ajv2020({ allErrors: true, allowUnionTypes: true }).compile(schema);

beforeAll(() => {
  writeTinyModel(model, { contextLength: 1024 });
  writeTinyModel(short, { contextLength: 512 });
});

describe('bench', () => {
  it('prints a report of its schema, writes it and draws it', async () => {
    const out = join(folder, 'report.json');
    const svg = join(folder, 'chart.svg');
    const files = ['--out', out, '--svg', svg];
    const ran = await commandLine([...quick, '--json', '--skip', '0,50', '--batch', '1,2', '--context', '8', ...files]);
    expect(ran.code, ran.stdout + ran.stderr).toBe(0);
    const report = documentOf<BenchReport>(ran);
    expect(validate(report), JSON.stringify(validate.errors)).toBe(true);
    expect(JSON.parse(readFileSync(out, 'utf8'))).toEqual(report);
    expect(report.workload).toMatchObject({ rounds: 1, decodeTokens: 4, policy: 'random', adapter: null });
    expect(report.skip.map(({ skip }) => skip)).toEqual([0, 0.5]);
    const [dense, half] = report.skip;
    // Nothing is skipped at 0 %, so the very same bytes are read.
    expect(dense).toMatchObject({ held: 0, prefillHeld: 0, bytesLeft: 1, macsLeft: 1 });
    expect(half!.prefillHeld).toBeGreaterThan(0.25);
    expect(half!.macsLeft).toBeLessThan(1);
    expect(report.batch.map(({ sequences }) => sequences)).toEqual([1, 2]);
    expect(report.context.map(({ tokens }) => tokens)).toEqual([8]);
    expect(report.startup).toBeNull();
    expect(half!.decodeEfficiency.median).toBeCloseTo(half!.decodeSpeedup.median * half!.bytesLeft, 10);
    expect(half!.prefillEfficiency.high).toBeCloseTo(half!.prefillSpeedup.high * half!.macsLeft, 10);
    expect(report.batch8).toBeNull();
    // The reference backend has no threads, and computes on the JavaScript thread.
    expect(report.threads).toEqual([]);
    expect(report.jsShare.engine.median).toBeGreaterThan(0.5);
    expect(report.targets.find(({ name }) => name.startsWith('JavaScript'))).toMatchObject({ met: false });
    expect(report.targets.filter(({ name }) => name.includes('node-llama-cpp'))).toEqual([]);
    expect(readFileSync(svg, 'utf8')).toMatch(/^<svg [\s\S]*<circle [\s\S]*<\/svg>\n$/);
    expect(ran.stderr).toContain('no gates');
  });

  it('prints a table', async () => {
    const ran = await commandLine([...quick, '--skip', '50']);
    expect(ran.code, ran.stderr).toBe(0);
    expect(ran.stdout).toMatch(/dense, tokens\/s +threads +decode +prefill 512\ngateskip /);
    expect(ran.stdout).toContain('policy random, kv project, no gates');
    expect(ran.stdout).toMatch(/^ +8 +\d.*x \(/m);
    expect(ran.stdout).toMatch(/^target +asked +aim +measured +met\n/m);
  });

  it('says how to install a peer that is not there', async () => {
    const ran = await commandLine([...quick, '--against', 'node-llama-cpp', '--json'], { env: { GATESKIP_PEERS: folder } });
    expect(ran.code).toBe(3);
    expect(documentOf<ErrorDocument>(ran).error).toMatchObject({
      code: 'GS_PEER_MISSING',
      remedy: expect.stringContaining('node tools/peers/install.mjs node-llama-cpp'),
    });
  });

  it('says that peers need the built program', async () => {
    const place = join(folder, 'peers', 'node-llama-cpp', 'node_modules', 'node-llama-cpp');
    mkdirSync(place, { recursive: true });
    writeFileSync(join(place, 'package.json'), '{"version":"0.0.1","main":"index.js"}');
    const env = { GATESKIP_PEERS: join(folder, 'peers') };
    const ran = await commandLine([...quick, '--against', 'node-llama-cpp', '--json'], { env });
    expect(documentOf<ErrorDocument>(ran).error.code).toBe('GS_UNSUPPORTED');
  });

  it('stops when it is aborted, and leaves no file', async () => {
    const out = join(folder, 'aborted.json');
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 300);
    const ran = await commandLine(['bench', model, '--backend', 'reference', '--rounds', '100', '--json', '--out', out], {
      signal: controller.signal,
    });
    expect(ran.code).toBe(130);
    expect(documentOf<ErrorDocument>(ran).error.code).toBe('GS_ABORTED');
    expect(existsSync(out)).toBe(false);
  });

  it('refuses a model whose context is too short', async () => {
    const ran = await commandLine(['bench', short, '--backend', 'reference', '--quick', '--json']);
    expect(ran.code).toBe(2);
    expect(documentOf<ErrorDocument>(ran).error).toMatchObject({ code: 'GS_USAGE', fields: { expected: 513, got: 512 } });
  });

  it.each([
    ['--rounds', '0'],
    ['--rounds', '101'],
    ['--tokens', '3'],
    ['--tokens', '1e3'],
    ['--skip', '100'],
    ['--skip', '5,5'],
    ['--skip', ''],
    ['--batch', '0'],
    ['--batch', '257'],
    ['--context', '0'],
    ['--against', 'nobody'],
    ['--kv', 'sometimes'],
  ])('refuses %s %s', async (option, value) => {
    const ran = await commandLine(['bench', model, option, value, '--json']);
    expect(ran.code).toBe(2);
    expect(documentOf<ErrorDocument>(ran).error.code).toBe('GS_USAGE');
  });

  it('refuses a policy that nobody knows', async () => {
    const ran = await commandLine([...quick, '--policy', 'guess', '--json']);
    expect(ran.code).toBe(2);
    expect(documentOf<ErrorDocument>(ran).error.code).toBe('GS_UNKNOWN_POLICY');
  });
});

describe('numbers of the bench', () => {
  it('are medians with their ends, and quotients round by round', () => {
    expect(spreadOf([3, 1, 2])).toEqual({ median: 2, low: 1, high: 3 });
    expect(spreadOf([4, 1, 2, 3])).toEqual({ median: 2.5, low: 1, high: 4 });
    expect(ratioSpread([2, 9, 4], [1, 3, 4])).toEqual({ median: 2, low: 1, high: 3 });
  });

  it('fit a line, where there is one', () => {
    expect(fitLine([0.5, 0.75, 1].map((x) => ({ x, y: 0.125 + 0.875 * x })))).toEqual({ slope: 0.875, intercept: 0.125 });
    expect(fitLine([{ x: 1, y: 2 }])).toBeUndefined();
    expect(fitLine([])).toBeUndefined();
  });

  it('try few of many thread counts', () => {
    expect(threadCounts(1)).toEqual([1]);
    expect(threadCounts(3)).toEqual([1, 2, 3]);
    expect(threadCounts(40)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 16, 32, 40]);
  });

  it('count the bytes that a decode step reads', () => {
    // Two layers; one token of prompt, one of answer that skips the first attention and the second MLP.
    const trace = {
      branches: 4,
      tokens: [1, 2],
      promptTokens: 1,
      kept: Uint8Array.of(1, 1, 1, 1, 0, 1, 1, 0),
    } as unknown as GenerationTrace;
    const stored = { branches: [100, 1000, 200, 2000], kvProjections: [10, 20], always: 5, kvRow: 3, standIn: 0.25 };
    expect(decodeBytesPerToken(trace, stored, 'project')).toBe(10 + 1000 + (200 + 2 * 3) + 5 + 2 * 0.25);
    expect(decodeBytesPerToken(trace, stored, 'absent')).toBe(1000 + (200 + 2 * 3) + 5 + 2 * 0.25);
    // Layer 0 has no layer below, so it projects.
    expect(decodeBytesPerToken(trace, stored, 'alias')).toBe(10 + 1000 + (200 + 2 * 3) + 5 + 2 * 0.25);
  });
});
