import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readAdapter, writeSafetensors } from '@gateskip/model';
import { beforeAll, describe, expect, it } from 'vitest';
import { commandLine, documentOf, type ErrorDocument, testFolder } from './support/command-line.js';
import { writeTinyModel } from './support/tiny-model.js';

const folder = testFolder();
const model = join(folder, 'tiny.gguf');
const other = join(folder, 'other.gguf');
const text = join(folder, 'text.txt');
const gates = join(folder, 'gates.safetensors');
const quick = ['--backend', 'reference', '--tokens', '900', '--curve-tokens', '400', '--quality-rows', '64', '--window', '128'];

interface FitDocument {
  readonly out: string;
  readonly report: {
    readonly options: { readonly importance: string };
    readonly knots: readonly { readonly skip: number; readonly net: number; readonly kl: number; readonly top1: number }[];
  };
  readonly adapter: { readonly provenance: Readonly<Record<string, string>> };
}

/** Words in seeded order: text with some structure, never the same line twice. */
function calibrationText(): string {
  const words = ['hello', 'there', 'the', 'cat', 'sat', 'on', 'mat', 'and', 'sang', '12', 'well', 'a', 'bell', 'rings'];
  let state = 1;
  const next = (): string => words[(state = (state * 48271) % 2147483647) % words.length] as string;
  return Array.from({ length: 60 }, () => `${Array.from({ length: 8 }, next).join(' ')}.`).join('\n');
}

beforeAll(async () => {
  writeTinyModel(model);
  writeTinyModel(other, { seed: 2 });
  writeFileSync(text, calibrationText());
  const ran = await commandLine([
    'fit',
    model,
    '--out',
    gates,
    '--text',
    text,
    ...quick,
    '--data-license',
    'CC0-1.0',
    '--name',
    'tiny-gates',
  ]);
  expect(ran.code, ran.stderr).toBe(0);
});

/** Scalar gates in the layout of the published code, for a model of `layers` layers of width `width`, beside a weight of the model. */
async function writePublished(path: string, layers: number, width: number): Promise<void> {
  const tensor = (shape: number[], values: Float32Array) => ({ type: 'F32', shape, bytes: new Uint8Array(values.buffer) }) as const;
  const tensors = new Map([['model.model.layers.0.mlp.module.down_proj.weight', tensor([2], Float32Array.of(1, 2))]]);
  for (let layer = 0; layer < layers; layer++) {
    for (const [index, kind] of ['self_attn', 'mlp'].entries()) {
      const name = `model.model.layers.${layer}.${kind}.gate.gate`;
      tensors.set(
        `${name}.weight`,
        tensor(
          [1, width],
          Float32Array.from({ length: width }, (_, i) => Math.sin(i + 5 * layer + index)),
        ),
      );
      tensors.set(`${name}.bias`, tensor([1], Float32Array.of(2)));
    }
  }
  await writeSafetensors(path, tensors);
}

describe('gateskip fit --import', () => {
  it('measures the curve of gates of the published code, which then serve budgets', async () => {
    const published = join(folder, 'published.safetensors');
    const out = join(folder, 'imported.safetensors');
    const { layers, gates: own } = await readAdapter(gates);
    await writePublished(published, layers, own.hiddenSize);
    const ran = await commandLine(['fit', model, '-o', out, '--import', published, '--text', text, ...quick, '--json']);
    expect(ran.code, ran.stdout).toBe(0);
    const { report, adapter, imported: from } = documentOf<FitDocument & { imported: { otherTensors: number } }>(ran);
    expect(from.otherTensors).toBe(1);
    expect(adapter.provenance).toMatchObject({ method: 'import', command: expect.stringContaining('--import published.safetensors') });
    // Gates that multiply change the model even where nothing is skipped.
    expect(report.knots[0]!.kl).toBeGreaterThan(2 ** -20);
    const imported = await readAdapter(out);
    expect(imported.gates.spec).toEqual({ variant: 'scalar', sharing: 'separate', position: 'before', multiplies: true });
    expect(imported.calibration).toMatchObject({ kv: 'alias', pinnedTokens: 0, protectedBranches: [] });
    expect(imported.calibration.curve.length).toBeGreaterThan(4);
    for (const policy of ['branch-quantile', 'global-threshold', 'branch-threshold']) {
      const answer = await commandLine([
        'run',
        model,
        'hello there',
        '-n',
        '4',
        '--budget',
        '20%',
        '--policy',
        policy,
        '--adapter',
        out,
        '--backend',
        'reference',
        '--json',
      ]);
      expect(answer.code, answer.stdout).toBe(0);
    }
  });

  it.each([
    ['--importance', 'measured'],
    ['--rounds', '2'],
    ['--stand-in-rank', '4'],
    ['--memory-mib', '512'],
  ])('refuses %s, which would change nothing', async (flag, value) => {
    const ran = await commandLine([
      'fit',
      model,
      '-o',
      join(folder, 'no.safetensors'),
      '--import',
      gates,
      '--text',
      text,
      flag,
      value,
      '--json',
    ]);
    expect([ran.code, documentOf<ErrorDocument>(ran).error]).toEqual([2, expect.objectContaining({ code: 'GS_USAGE' })]);
    expect(documentOf<ErrorDocument>(ran).error.message).toContain(`${flag} is of no use with --import`);
  });

  it('says what is wrong with a file that has no such gates, and writes nothing', async () => {
    const out = join(folder, 'none.safetensors');
    const ran = await commandLine(['fit', model, '-o', out, '--import', gates, '--text', text, ...quick, '--json']);
    expect(ran.code).not.toBe(0);
    expect(documentOf<ErrorDocument>(ran).error.message).toContain('no gates');
    expect(existsSync(out)).toBe(false);
  });
});

describe('gateskip fit', () => {
  it('prints the measured curve and records where the gates come from, without folders of this machine', async () => {
    const out = join(folder, 'again.safetensors');
    const ran = await commandLine(['fit', model, '-o', out, '--text', text, ...quick, '--data-license', 'CC0-1.0', '--json']);
    expect(ran.code, ran.stdout).toBe(0);
    const { report, adapter } = documentOf<FitDocument>(ran);
    expect(report.knots[0]).toMatchObject({ skip: 0, top1: 1 });
    // All is computed, and the gates on top.
    expect(report.knots[0]!.net).toBeGreaterThan(1);
    expect(report.knots[0]!.net).toBeLessThan(1.01);
    // The same logits twice: what is left is the rounding of float32.
    expect(report.knots[0]!.kl).toBeLessThan(2 ** -23);
    expect(report.knots.at(-1)!.skip).toBeGreaterThan(0.1);
    expect(adapter.provenance).toMatchObject({
      method: 'fit',
      license: 'CC0-1.0',
      command:
        'gateskip fit tiny.gguf --out again.safetensors --text text.txt --tokens 900 --window 128 --curve-tokens 400 --quality-rows 64 --backend reference',
    });
    expect(adapter.provenance.data).toMatch(/^text of text\.txt \(\d+ characters\)$/);
    const [first, second] = await Promise.all([readAdapter(gates), readAdapter(out)]);
    expect(second.gates).toEqual(first.gates);
    expect(JSON.stringify(second)).not.toContain(folder);
    expect(first.name).toBe('tiny-gates');
  });

  it.each(['fisher', 'measured'])('asks what skips do to predictions where it is told to, %s', async (importance) => {
    const out = join(folder, `${importance}.safetensors`);
    const ran = await commandLine(['fit', model, '-o', out, '--text', text, ...quick, '--importance', importance, '--json']);
    expect(ran.code, ran.stdout).toBe(0);
    const { report, adapter } = documentOf<FitDocument>(ran);
    expect(report.options.importance).toBe(importance);
    expect(adapter.provenance.command).toContain(`--importance ${importance}`);
    const [byNorm, corrected] = await Promise.all([readAdapter(gates), readAdapter(out)]);
    expect(corrected.gates.gates).not.toEqual(byNorm.gates.gates);
  });

  it('reads conversations through the chat template, beside plain text', async () => {
    const records = join(folder, 'talk.jsonl');
    const talk = Array.from({ length: 40 }, (_, i) => ({
      messages: [
        { role: 'user', content: `hello ${i}` },
        { role: 'assistant', content: 'well the cat sat on the mat and sang' },
      ],
    }));
    writeFileSync(records, talk.map((one) => JSON.stringify(one)).join('\n'));
    const out = join(folder, 'talk.safetensors');
    const ran = await commandLine(['fit', model, '-o', out, '--text', records, text, ...quick, '--json']);
    expect(ran.code, ran.stdout).toBe(0);
    expect(documentOf<FitDocument>(ran).adapter.provenance.data).toMatch(
      /^text of text\.txt \(\d+ characters\), talk\.jsonl \(40 records, \d+ tokens\)$/,
    );
    writeFileSync(records, '{"messages": 3}');
    const refused = await commandLine(['fit', model, '-o', join(folder, 'never.safetensors'), '--text', records, ...quick, '--json']);
    expect(refused.code).not.toBe(0);
    expect(refused.stdout).toMatch(/talk\.jsonl.{0,3}, line 1/);
  });

  it('shows the curve as a table', async () => {
    const ran = await commandLine(['fit', model, '-o', join(folder, 'table.safetensors'), '--text', text, ...quick]);
    expect(ran.stdout).toMatch(/^threshold +skip +net MACs +KL to dense +same top-1 +perplexity\n/);
    expect(ran.stdout).toMatch(/dense perplexity [\d.]+\n$/);
    expect(ran.stderr).toMatch(/table\.safetensors: [\d,]+ bytes/);
  });

  it('lets the model write the text itself', async () => {
    const out = join(folder, 'self.safetensors');
    const ran = await commandLine(['fit', model, '-o', out, '--self', ...quick, '--seed', '5', '--json']);
    expect(ran.code, ran.stdout).toBe(0);
    expect(documentOf<FitDocument>(ran).adapter.provenance.data).toMatch(/^\d+ tokens that the dense model wrote itself/);
    expect(documentOf<FitDocument>(ran).adapter.provenance.command).toContain('--self --tokens 900');
  });

  it('refuses to overwrite, and replaces when told to', async () => {
    const path = join(folder, 'precious.safetensors');
    writeFileSync(path, 'precious');
    const words = ['fit', model, '-o', path, '--text', text, ...quick, '--json'];
    const ran = await commandLine(words);
    expect([ran.code, documentOf<ErrorDocument>(ran).error.code]).toEqual([2, 'GS_FILE_EXISTS']);
    expect(readFileSync(path, 'utf8')).toBe('precious');
    expect((await commandLine([...words, '--force'])).code).toBe(0);
    expect((await readAdapter(path)).layers).toBe(5);
  });

  it('leaves nothing behind when aborted', async () => {
    const out = join(folder, 'aborted.safetensors');
    const controller = new AbortController();
    const timer = setTimeout(() => controller.abort(), 300);
    const ran = await commandLine(['fit', model, '-o', out, '--self', '--backend', 'reference', '--json'], { signal: controller.signal });
    clearTimeout(timer);
    expect([ran.code, documentOf<ErrorDocument>(ran).error.code]).toEqual([130, 'GS_ABORTED']);
    expect(existsSync(out)).toBe(false);
    expect(readdirSync(folder).filter((name) => name.includes('.tmp'))).toEqual([]);
  });

  const refused: readonly (readonly [string, readonly string[], string])[] = [
    ['no --out', ['--text', text], 'GS_USAGE'],
    ['two sources of text', ['-o', join(folder, 'x'), '--text', text, '--self'], 'GS_USAGE'],
    ['a folder as target', ['-o', folder, '--text', text], 'GS_USAGE'],
    ['a folder that is not there', ['-o', join(folder, 'no', 'x'), '--text', text], 'GS_TEXT_INPUT'],
    ['a text that is not there', ['-o', join(folder, 'x'), '--text', join(folder, 'no.txt')], 'GS_TEXT_INPUT'],
    ['too little text', ['-o', join(folder, 'x'), '--text', join(folder, 'short.txt')], 'GS_TOO_LITTLE_TEXT'],
    ['too few tokens', ['-o', join(folder, 'x'), '--text', text, '--tokens', '3'], 'GS_USAGE'],
    ['a branch that is not there', ['-o', join(folder, 'x'), '--text', text, '--protect', '10'], 'GS_INVALID_ARGUMENT'],
    ['every branch protected', ['-o', join(folder, 'x'), '--text', text, '--protect', '0,1,2,3,4,5,6,7,8,9'], 'GS_NOTHING_TO_FIT'],
    ['an unknown kv mode', ['-o', join(folder, 'x'), '--text', text, '--kv', 'all'], 'GS_USAGE'],
  ];
  it.each(refused)('refuses %s', async (_, words, code) => {
    writeFileSync(join(folder, 'short.txt'), 'hello');
    const ran = await commandLine(['fit', model, '--backend', 'reference', ...words, '--json']);
    expect([ran.code, documentOf<ErrorDocument>(ran).error.code]).toEqual([2, code]);
    expect(existsSync(join(folder, 'x'))).toBe(false);
  });
});

describe('a budget with gates', () => {
  const run = ['run', model, '--backend', 'reference', '--adapter', gates, '--ignore-end', 'hello there, the cat sat', '--json'];

  it('is held and reported', async () => {
    const ran = await commandLine([...run, '-n', '200', '--budget', '10%', '--seed', '1', '--temperature', '0.7']);
    expect(ran.code, ran.stdout).toBe(0);
    const done = documentOf<{ skip: { asked: unknown; decode: { skip: number } }; netMacs: number; adapter: unknown; policy: string }>(ran);
    expect(done.skip.asked).toEqual({ skip: 0.1 });
    // The controller has 200 tokens of 10 branches: one in a hundred is what is promised from step 64 on, twice that here.
    expect(Math.abs(done.skip.decode.skip - 0.1)).toBeLessThan(0.02);
    expect(done.netMacs).toBeLessThan(1);
    expect(done).toMatchObject({ policy: 'global-threshold', adapter: { name: 'tiny-gates', origin: 'file' } });
  });

  it('refuses what the curve does not reach, and gates of other weights unless told otherwise', async () => {
    const far = await commandLine([...run, '-n', '4', '--budget', '95%']);
    expect([far.code, documentOf<ErrorDocument>(far).error.code]).toEqual([2, 'GS_BUDGET_UNREACHABLE']);
    const words = ['run', other, '--backend', 'reference', '--adapter', gates, 'hello', '-n', '4', '--budget', '10%', '--json'];
    const ran = await commandLine(words);
    expect([ran.code, documentOf<ErrorDocument>(ran).error.code]).toEqual([2, 'GS_ADAPTER_MISMATCH']);
    expect((await commandLine([...words, '--allow-other-weights'])).code).toBe(0);
  });
});

describe('gateskip inspect', () => {
  const inspect = ['inspect', model, '--adapter', gates];

  it('describes model and gates', async () => {
    const ran = await commandLine(inspect);
    expect(ran.stdout).toMatch(/layers +5 of width 32/);
    expect(ran.stdout).toMatch(/F32 +\d+ +[\d,]+ +[\d.]+ KiB/);
    expect(ran.stdout).toMatch(/gates +scalar, separate, before the branch, only scoring, with stand-ins/);
    expect(ran.stdout).toMatch(/command +gateskip fit tiny\.gguf/);
    const json = documentOf<{ model: { parameters: number; config: unknown }; adapter: { calibration: { curve: unknown[] } } }>(
      await commandLine([...inspect, '--json']),
    );
    expect(json.model).toMatchObject({ config: { layers: 5 }, tensorTypes: [{ type: 'F32' }] });
    expect(json.adapter.calibration.curve.length).toBeGreaterThan(2);
  });

  it('draws skips and scores, without colours where there is no terminal', async () => {
    const words = [...inspect, 'hello there', '--backend', 'reference', '-n', '8'];
    const skips = await commandLine([...words, '--budget', '10%']);
    expect(skips.stdout).toMatch(/^skips: 5 layers x \d+ tokens/);
    expect(skips.stdout).not.toContain('\u001b');
    const scores = await commandLine([...words, '--kinds', 'mlp']);
    expect(scores.stdout).toMatch(/^scores: 5 layers/);
    expect((await commandLine([...words, '--color', 'truecolor'])).stdout).toContain('\u001b[');
  });

  it('writes an SVG and gives the whole trace as JSON', async () => {
    const svg = join(folder, 'map.svg');
    const ran = await commandLine([
      ...inspect,
      'hello <b>',
      '--backend',
      'reference',
      '-n',
      '4',
      '--budget',
      '10%',
      '--svg',
      svg,
      '--json',
    ]);
    expect(ran.code, ran.stdout).toBe(0);
    expect(readFileSync(svg, 'utf8')).toMatch(/^<svg [\s\S]*<\/svg>\n?$/);
    const { trace, promptTokens } = documentOf<{ trace: { tokens: number[]; kept: number[]; branches: number }; promptTokens: number }>(
      ran,
    );
    expect(trace.tokens).toHaveLength(promptTokens + 3);
    expect(trace.kept).toHaveLength(10 * trace.tokens.length);
  });

  it('needs gates for scores, a prompt for a map, and one thing at a time', async () => {
    const bare = await commandLine(['inspect', model, 'hello', '--backend', 'reference', '--json']);
    expect([bare.code, documentOf<ErrorDocument>(bare).error.code]).toEqual([2, 'GS_NO_ADAPTER']);
    for (const words of [
      ['--svg', 'x.svg'],
      ['hello', '--check'],
      ['hello', '--scores', '--skips'],
      ['--budget', '10%'],
    ]) {
      const ran = await commandLine([...inspect, ...words, '--json']);
      expect([ran.code, documentOf<ErrorDocument>(ran).error.code]).toEqual([2, 'GS_USAGE']);
    }
  });
});

describe('gateskip chat with gates', () => {
  it('changes its budget on the way', async () => {
    const ran = await commandLine(['chat', model, '--adapter', gates, '--backend', 'reference', '-n', '30', '--ignore-end', '--json'], {
      stdin: 'hello\n/budget 10%\nhello again\n/budget none\nand again\n',
    });
    expect(ran.code, ran.stdout).toBe(0);
    const { turns } = documentOf<{ turns: { skip: { asked: unknown; held: { skip: number } } }[] }>(ran);
    expect(turns.map(({ skip }) => skip.asked)).toEqual([null, { skip: 0.1 }, null]);
    expect(turns[1]!.skip.held.skip).toBeGreaterThan(0);
  });
});
