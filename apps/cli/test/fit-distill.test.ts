import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createGateSet, type GateSpec } from '@gateskip/gate';
import { type GateAdapter, readAdapter, writeAdapter } from '@gateskip/model';
import { beforeAll, describe, expect, it } from 'vitest';
import { commandLine, documentOf, type ErrorDocument, type Ran, testFolder } from './support/command-line.js';
import { writeTinyModel } from './support/tiny-model.js';

const folder = testFolder();
const model = join(folder, 'tiny.gguf');
const other = join(folder, 'other.gguf');
const text = join(folder, 'text.txt');
const fitted = join(folder, 'fitted.safetensors');
const vector = join(folder, 'vector.safetensors');
const quick = ['--backend', 'reference', '--tokens', '900', '--curve-tokens', '400', '--quality-rows', '64', '--window', '128'];

interface DistillDocument {
  readonly adapter: { readonly name: string; readonly spec: GateSpec; readonly provenance: Readonly<Record<string, string>> };
  readonly report: {
    readonly from: { readonly name: string };
    readonly heldOutRows: number;
    readonly branches: readonly { readonly heldOutR2: number; readonly rankCorrelation: number; readonly protected: boolean }[];
  };
}

/** Lines of words, never the same twice. */
function calibrationText(): string {
  const words = ['hello', 'there', 'the', 'cat', 'sat', 'on', 'mat', 'and', 'sang', '12', 'well', 'a', 'bell', 'rings'];
  let state = 1;
  const next = (): string => words[(state = (state * 48271) % 2147483647) % words.length] as string;
  return Array.from({ length: 60 }, () => `${Array.from({ length: 8 }, next).join(' ')}.`).join('\n');
}

/** The fitted adapter with new gates of another kind. */
async function writeWith(path: string, change: Partial<GateSpec>, more: Partial<GateAdapter> = {}): Promise<void> {
  const adapter = await readAdapter(fitted);
  const spec: GateSpec = { variant: 'vector', sharing: 'separate', position: 'before', multiplies: false, ...change };
  const shape = { layers: adapter.layers, hiddenSize: adapter.gates.hiddenSize };
  const drawn = createGateSet(spec, shape, { seed: 4, biasStart: 1, weightStandardDeviation: 0.1 });
  await writeAdapter(path, { ...adapter, name: 'tiny-vector', gates: { ...adapter.gates, spec, gates: drawn.gates }, ...more });
}

const distill = (file: string, out: string, ...words: readonly string[]): Promise<Ran> =>
  commandLine(['fit', model, '-o', out, '--distill', file, '--text', text, ...quick, '--json', ...words]);

beforeAll(async () => {
  writeTinyModel(model);
  writeTinyModel(other, { seed: 2 });
  writeFileSync(text, calibrationText());
  const ran = await commandLine(['fit', model, '-o', fitted, '--text', text, ...quick, '--data-license', 'CC0-1.0', '--protect', '0,9']);
  expect(ran.code, ran.stderr).toBe(0);
  await writeWith(vector, {});
});

describe('gateskip fit --distill', () => {
  it('writes scalar gates with all else of the file, which then serve budgets', async () => {
    const out = join(folder, 'heads.safetensors');
    const ran = await distill(vector, out, '--data-license', 'CC-BY-4.0');
    expect(ran.code, ran.stdout).toBe(0);
    const { adapter, report } = documentOf<DistillDocument>(ran);
    expect(adapter).toMatchObject({ name: 'tiny-vector-distilled', spec: { variant: 'scalar', sharing: 'separate' } });
    expect(adapter.provenance).toMatchObject({
      method: 'distill',
      command: `gateskip fit tiny.gguf --out heads.safetensors --text text.txt --distill vector.safetensors --tokens 900 --window 128 --curve-tokens 400 --quality-rows 64 --backend reference`,
      data: expect.stringMatching(
        /^gates distilled from "tiny-vector" on text of text\.txt .*; "tiny-vector" itself \(fit\): text of text\.txt/,
      ),
      license: 'CC-BY-4.0; "tiny-vector": CC0-1.0',
    });
    expect(report.from.name).toBe('tiny-vector');
    expect(report.branches).toHaveLength(10);
    for (const { heldOutR2, rankCorrelation } of report.branches) {
      expect(heldOutR2).toBeGreaterThan(0.8);
      expect(rankCorrelation).toBeGreaterThan(0.9);
    }
    const [before, after] = await Promise.all([readAdapter(vector), readAdapter(out)]);
    expect(after.gates.standIns).toEqual(before.gates.standIns);
    expect(after.gates.standInMaps).toEqual(before.gates.standInMaps);
    expect(after.calibration).toMatchObject({ kv: 'project', pinnedTokens: 4, protectedBranches: [0, 9] });
    expect(after.calibration.curve.length).toBeGreaterThan(4);
    expect(JSON.stringify(after.provenance)).not.toContain(folder);
    for (const policy of ['branch-quantile', 'global-threshold', 'branch-threshold']) {
      const words = ['run', model, 'hello', '-n', '4', '--budget', '20%', '--policy', policy, '--adapter', out, '--backend', 'reference'];
      const answer = await commandLine([...words, '--json']);
      expect(answer.code, answer.stdout).toBe(0);
    }
  });

  it('prints the curve and how good the heads are', async () => {
    const words = ['fit', model, '-o', join(folder, 'table.safetensors'), '--distill', vector, '--text', text, ...quick];
    const ran = await commandLine(words);
    expect(ran.code, ran.stderr).toBe(0);
    expect(ran.stdout).toMatch(/^threshold +skip +net MACs/);
    expect(ran.stdout).toMatch(/heads of 8 branches against the vector gates of "tiny-vector", on \d+ held-out rows:/);
    expect(ran.stdout).toMatch(
      /R² of the score's logit +least 0\.\d+, median 0\.\d+\n {2}rank correlation +least 0\.\d+, median [01]\.\d+/,
    );
    expect(ran.stdout).toMatch(/MACs of a score +32 instead of 1,024\n$/);
  });

  it('keeps low-rank numbers that half the bytes would round', async () => {
    const { gates } = await readAdapter(fitted);
    const standInMaps = gates.standInMaps!.map(({ down, up }) => ({ down: down.map((value) => value + 2 ** -20), up }));
    const source = join(folder, 'wide.safetensors');
    await writeWith(source, {});
    const adapter = await readAdapter(source);
    await writeAdapter(source, { ...adapter, gates: { ...adapter.gates, standInMaps } }, { loraType: 'F32' });
    const out = join(folder, 'wide-heads.safetensors');
    const ran = await distill(source, out);
    expect(ran.code, ran.stdout).toBe(0);
    expect((await readAdapter(out)).gates.standInMaps).toEqual(standInMaps);
  });

  it('may be asked for text that the model writes itself, as the dense model does', async () => {
    const out = join(folder, 'self.safetensors');
    const ran = await commandLine(['fit', model, '-o', out, '--distill', vector, '--self', ...quick, '--json']);
    expect(ran.code, ran.stdout).toBe(0);
    expect(documentOf<DistillDocument>(ran).adapter.provenance.data).toMatch(/on \d+ tokens that the dense model wrote itself/);
  });

  const path = join(folder, 'x');
  const refused: readonly (readonly [string, string, readonly string[], string])[] = [
    ['a file that is not there', join(folder, 'no.safetensors'), [], 'GS_MODEL_IO'],
    ['a file that holds no gates', text, [], 'GS_ADAPTER_INVALID'],
    ['no file', 'none', [], 'GS_USAGE'],
    ['an empty name', '', [], 'GS_USAGE'],
    ['scalar gates', fitted, [], 'GS_CANNOT_DISTILL'],
    ['gates behind their branch', join(folder, 'after.safetensors'), [], 'GS_CANNOT_DISTILL'],
    ['two sources of gates', vector, ['--import', vector], 'GS_USAGE'],
    ['another mode of K and V', vector, ['--kv', 'absent'], 'GS_USAGE'],
    ['other protected branches', vector, ['--protect', '0'], 'GS_USAGE'],
    ['other pinned tokens', vector, ['--pinned', '0'], 'GS_USAGE'],
    ['another rank of stand-ins', vector, ['--stand-in-rank', '0'], 'GS_USAGE'],
    ['rounds of a fit', vector, ['--rounds', '1'], 'GS_USAGE'],
    ['what a fit should tell', vector, ['--importance', 'fisher'], 'GS_USAGE'],
    ['too little memory', vector, ['--memory-mib', '1'], 'GS_INSUFFICIENT_MEMORY'],
  ];
  it.each(refused)('refuses %s and writes nothing', async (_, file, words, code) => {
    await writeWith(join(folder, 'after.safetensors'), { position: 'after' });
    const before = readdirSync(folder);
    const ran = await distill(file, path, ...words);
    expect([ran.code === 0, documentOf<ErrorDocument>(ran).error.code]).toEqual([false, code]);
    expect(readdirSync(folder)).toEqual(before);
  });

  it('refuses gates of another model before the model writes any text', async () => {
    const started = performance.now();
    const ran = await commandLine(['fit', other, '-o', path, '--distill', vector, '--self', '--tokens', '4000000', '--json']);
    expect([ran.code, documentOf<ErrorDocument>(ran).error.code]).toEqual([2, 'GS_ADAPTER_MISMATCH']);
    expect(performance.now() - started).toBeLessThan(30_000);
    expect(existsSync(path)).toBe(false);
  });

  it('leaves the old file as it was when it is refused, and may replace the very file that it reads', async () => {
    const same = join(folder, 'same.safetensors');
    await writeWith(same, { variant: 'low-rank', rank: 4 });
    const bytes = readFileSync(same);
    const kept = await distill(same, same);
    expect([kept.code, documentOf<ErrorDocument>(kept).error.code]).toEqual([2, 'GS_FILE_EXISTS']);
    expect(readFileSync(same)).toEqual(bytes);
    expect((await distill(same, same, '--force')).code).toBe(0);
    expect((await readAdapter(same)).gates.spec.variant).toBe('scalar');
  });
});
