import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isAtSaving, readingAt } from '../../quality/metrics.mjs';
import { curveTables, winnersTable } from '../../quality/tables.mjs';
import { droppedBranches, keepAdapter, openCurve } from '../adapter-session.mjs';
import { aimRows, aimsTable } from '../aims.mjs';
import { anchorsOf, anchorsTable, anchorsVerdict } from '../anchors.mjs';
import { gatesCharts, trainingLines } from '../charts.mjs';
import { fileOf, readConfig } from '../read-config.mjs';
import { forgetPoints, stalePoints } from '../stale-pieces.mjs';
import { adaptersTable, answersTable, conditions, duelTables, trainingTable } from '../tables.mjs';
import { parseLog } from '../training-log.mjs';
import { gatesView } from '../view.mjs';
import { SAVINGS, workList } from '../work-list.mjs';

const folder = mkdtempSync(join(tmpdir(), 'gates-'));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;
const write = (value) => {
  const path = join(folder, `config-${++files}.json`);
  writeFileSync(path, JSON.stringify(value));
  return path;
};

describe('the configuration', () => {
  beforeAll(() => {
    for (const name of ['a', 'b', 'drop-15']) writeFileSync(join(folder, `${name}.safetensors`), name);
  });
  const curves = [
    { name: 'minutes', adapter: 'a.safetensors', policy: 'global-threshold' },
    { name: 'random', adapter: 'a.safetensors', policy: 'random', options: { shares: 'calibrated' } },
    { name: 'static', adapters: { 15: 'drop-15.safetensors', 25: 'drop-25.safetensors' }, policy: 'static' },
    { name: 'paper', adapter: 'none.safetensors', policy: 'branch-quantile' },
  ];

  it('leaves out curves and savings without a file, and says which', () => {
    const config = readConfig(write({ ours: 'minutes', curves, training: [{ name: 'run', run: 'there' }] }));
    expect(config.curves.map(({ name }) => name)).toEqual(['minutes', 'random', 'static']);
    expect(config.absent.map(({ name, missing }) => [name, missing])).toEqual([
      ['static', ['25']],
      ['paper', ['any']],
    ]);
    expect(fileOf(config.curves[2], 0.15)).toBe(join(folder, 'drop-15.safetensors'));
    expect(fileOf(config.curves[2], 0.25)).toBeUndefined();
    expect(config.training).toEqual([{ name: 'run', run: join(folder, 'there') }]);
  });

  it.each([
    ['a field that is not known', [{ ...curves[0], adpter: 1 }], 'adpter'],
    ['two curves whose files would be called alike', [curves[0], { ...curves[0], name: 'minutes' }], 'called alike'],
    ['neither adapter nor adapters', [{ name: 'minutes', policy: 'random' }], 'adapter, or adapters'],
    ['no curves', [], 'no curves'],
  ])('refuses %s', (_, own, message) => {
    expect(() => readConfig(write({ curves: own }))).toThrow(message);
  });

  it('refuses ours, and what is judged, that is no curve', () => {
    expect(() => readConfig(write({ ours: 'other', curves }))).toThrow('other');
    expect(() => readConfig(write({ judged: 'else', curves }))).toThrow('else');
    expect(readConfig(write({ ours: 'random', curves })).judged).toBe('random');
    expect(readConfig(write({ judged: 'random', curves }))).toMatchObject({ ours: 'minutes', judged: 'random' });
  });

  it('gives a list with every point once, nothing skipped once an adapter, adapters together', () => {
    const config = readConfig(write({ curves }));
    const pieces = workList(config);
    const names = pieces.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    const texts = pieces.filter(({ part, curve }) => part === 'texts' && curve);
    // Two curves of one file share 0 %, and the drop has one point.
    expect(texts.length).toBe(2 * (SAVINGS.length - 1) + 1 + 1);
    expect(names).not.toContain('texts-random-0');
    expect(names).toContain('texts-static-15');
    const changes = texts.filter(({ file }, index) => index > 0 && texts[index - 1].file !== file).length;
    expect(changes).toBe(2);
    const speed = pieces.find(({ name }) => name === 'speed-minutes-15');
    expect(speed.curves.map(({ name }) => name)).toEqual(['minutes', 'random']);
    expect(names.filter((name) => name.startsWith('anchors'))).toEqual(['anchors-minutes-25']);
    expect(names.indexOf('tasks-dense')).toBeGreaterThan(names.findLastIndex((name) => name.startsWith('texts')));
    // Files of results and the page are public: no paths in what describes a curve.
    for (const { curve } of texts) expect(JSON.stringify(curve)).not.toContain(folder);
  });
});

describe('adapters', () => {
  const spec = { variant: 'scalar', sharing: 'separate', position: 'before', multiplies: false };
  const gate = (bias, weight = 0) => ({ weight: Float32Array.of(0, weight), bias: Float32Array.of(bias) });
  const adapter = (gates) => ({
    name: 'a',
    provenance: { method: 'repair' },
    gates: { spec, gates },
    calibration: { kv: 'absent', pinnedTokens: 0, protectedBranches: [] },
  });

  it('of recipe repair say themselves what they drop', () => {
    const repaired = adapter([gate(5), gate(-5), gate(-5), gate(5)]);
    expect(droppedBranches(repaired)).toEqual([1, 2]);
    expect(openCurve({ name: 's', policy: 'static' }, repaired)).toMatchObject({ options: { branches: [1, 2] }, isFixed: true });
    expect(openCurve({ name: 's', policy: 'random' }, repaired)).toEqual({ name: 's', policy: 'random' });
    expect(() => droppedBranches(adapter([gate(5), gate(-5, 0.1)]))).toThrow('look at tokens');
    expect(() => droppedBranches(adapter([gate(5), gate(5)]))).toThrow('drops no branch');
  });

  it('are not mixed with others of the same curve', () => {
    const out = join(folder, 'kept');
    mkdirSync(out);
    const [file, other] = ['one', 'two'].map((name) => {
      writeFileSync(join(out, name), name);
      return join(out, name);
    });
    const piece = { file, curve: { name: 'c', policy: 'random' }, saved: 0.15 };
    keepAdapter(out, piece, adapter([]));
    keepAdapter(out, piece, adapter([]));
    keepAdapter(out, { ...piece, file: other, saved: 0.25 }, adapter([]));
    expect(() => keepAdapter(out, { ...piece, file: other }, adapter([]))).toThrow('c 0.15 was measured with another file');
    expect(() => keepAdapter(out, { ...piece, curve: { ...piece.curve, options: { seed: 2 } } }, adapter([]))).toThrow(
      'another file or policy',
    );
  });

  it('finds what was measured with another file, and forgets that and nothing else', () => {
    const out = join(folder, 'renew');
    mkdirSync(out);
    const file = join(folder, 'changing.safetensors');
    writeFileSync(file, 'one');
    const curves = [
      { name: 'c, first', policy: 'global-threshold' },
      { name: 'c, other', policy: 'random' },
    ];
    const pieces = [
      { file, curve: curves[0], saved: 0.15 },
      { file, curves, saved: 0.25 },
    ];
    const none = { keys: [], files: new Set() };
    expect(stalePoints(out, pieces)).toEqual(none);
    for (const piece of pieces) keepAdapter(out, piece, adapter([]));
    expect(stalePoints(out, pieces)).toEqual(none);
    writeFileSync(join(out, 'asks.json'), JSON.stringify({ 'c, first 0.15': {}, 'd 0.15': {} }));
    const keep = ['texts-d-15.json', 'texts-c-first-5.json', 'texts-dense.json', 'curves.json'];
    const drop = ['texts-c-first-15.json', 'anchors-c-first-25.svg', 'tasks-c-other-25.json.journal.jsonl', 'speed-c-first-25.json'];
    for (const name of [...keep, ...drop]) writeFileSync(join(out, name), '{}');

    writeFileSync(file, 'two');
    const stale = stalePoints(out, pieces);
    expect(stale).toEqual({ keys: ['c, first 0.15', 'c, first 0.25', 'c, other 0.25'], files: new Set(drop) });
    forgetPoints(out, stale);
    expect(readdirSync(out).sort()).toEqual([...keep, 'adapters.json', 'asks.json'].sort());
    expect(JSON.parse(readFileSync(join(out, 'asks.json'), 'utf8'))).toEqual({ 'd 0.15': {} });
    expect(stalePoints(out, pieces)).toEqual(none);
  });
});

const error = 0.01;
const point = (policy, target, kl, own, saved = target) => ({
  policy,
  target,
  asked: target,
  agreement: { kl, klError: error, top1: 1 - kl, top1Error: 0.02, saved },
  perplexity: { value: 20 * (1 + kl), error: 1, saved },
  own: { kl: own, klError: error, top1: 0.9, top1Error: 0.02, saved },
  ownPerplexity: { value: 5 * (1 + own), error: 0.1, saved },
});
const interval = (difference) => ({ difference, low: difference - 0.05, high: difference + 0.05 });
const summary = {
  schema: 'gateskip.gates/1',
  created: '2026-01-02T00:00:00.000Z',
  model: { name: 'tiny', fingerprint: 'f'.repeat(64) },
  machine: { cpu: 'a processor', node: '20', backend: { name: 'cpu', details: { threads: 2 } } },
  settings: { text: { window: 8 } },
  texts: { text: { tokens: 64, source: 'a.txt', stride: 7 }, own: { tokens: 32, source: 'answers', scoredFrom: [5, 6] } },
  data: { piqa: { metric: 'acc', items: 10, records: 20 } },
  dense: {
    perplexity: { value: 20, error: 1 },
    ownPerplexity: { value: 5, error: 0.1 },
    tasks: { piqa: { value: 0.7, error: 0.02, saved: 0 } },
  },
  ours: 'minutes',
  curves: [
    { name: 'minutes', policy: 'global-threshold', about: 'trained' },
    { name: 'random', policy: 'random', about: 'random' },
  ],
  starts: { minutes: 'minutes', random: 'minutes' },
  absent: [
    { name: 'paper', about: '', missing: ['any'] },
    { name: 'static', about: '', missing: ['25', '40'] },
  ],
  unmeasured: ['norms'],
  adapters: [
    {
      sha256: 'a'.repeat(64),
      name: 'a',
      provenance: { method: 'minutes', data: 'own answers', license: 'Apache-2.0' },
      gates: { variant: 'scalar', multiplies: false },
      hasStandIns: true,
      lora: { rank: 8, matrices: 7 },
      norms: 0,
      kv: 'project',
      curves: { minutes: [0, 0.15], random: [0.15] },
    },
  ],
  points: [
    point('minutes', 0, 0.04, 0.06, -0.02),
    {
      ...point('minutes', 0.15, 0.21, 0.12),
      tasks: { piqa: { value: 0.66, error: 0.02, saved: 0.14, againstDense: { difference: -0.04, low: -0.08, high: 0.001 } } },
    },
    point('minutes', 0.25, 0.3, 0.2),
    point('random', 0.15, 0.8, 0.1),
    { policy: 'paper', target: 0.5, unreached: true, reason: 'refused' },
  ],
  against: [{ policy: 'random', target: 0.15, kl: interval(0.59), own: interval(-0.02), logPerplexity: interval(0.3) }],
  anchors: [],
  training: [],
};

describe('the page', () => {
  const view = gatesView(summary);

  it('judges every aim by the numbers, and says by how much it was missed', () => {
    const rows = aimRows(summary, view);
    const row = (aim, on) => rows.find((each) => each.aim.includes(aim) && each.on.includes(on));
    expect(row('nothing skipped', 'WikiText')).toMatchObject({ verdict: 'met', measured: '0.040 ± 0.010' });
    expect(row('nothing skipped', 'answers')).toMatchObject({ verdict: 'missed', by: '0.010 (1.2 times the aim)' });
    expect(row('at 15 %', 'WikiText')).toMatchObject({ verdict: 'missed', by: '0.060 (1.4 times the aim)' });
    expect(row('at 15 %', 'answers')).toMatchObject({ verdict: 'met', by: '' });
    // On the very aim is met.
    expect(row('at 25 %', 'WikiText').verdict).toBe('met');
    expect(row('at 40 %', 'WikiText').verdict).toBe('not measured yet');
    // Read where 14 % are saved, 4 points below dense: where 15 % are it is 4.3, and the pair's interval moves along.
    expect(row('tasks', 'piqa')).toMatchObject({ verdict: 'missed', by: '2.3 points' });
    expect(row('tasks', 'piqa').measured).toBe('65.7 against 70.0 ± 2.0, paired -4.3 (-8.3 .. -0.2); 15 % saved');
    const near = structuredClone(summary);
    near.points[1].tasks.piqa.value = 0.682;
    expect(aimRows(near, view).find(({ on }) => on === 'piqa').verdict).toBe('met');
    expect(aimsTable(summary, view)).toContain('**met**');
  });

  it('holds another curve than ours to the aims where the configuration says so', () => {
    const judged = gatesView({ ...summary, judged: 'random' });
    expect(aimsTable(summary, judged)).toContain('Of curve *random*');
    const at15 = (/** @type {any} */ of) => aimRows(summary, of).find(({ aim }) => aim.startsWith('KL at 15 %'))?.measured;
    expect(at15(judged)).toMatch(/^0\.\d+ ±/);
    expect(at15(judged)).not.toBe(at15(view));
  });

  it('begins curves where nothing is skipped, which is not the dense model', () => {
    const kl = view.metricsOf(summary).find(({ name }) => name === 'kl');
    const held = { ...summary, points: [summary.points[0], point('minutes', 0.15, 0.25, 0.2, 0.18), point('random', 0.15, 1, 1, 0.18)] };
    // On the line from 0.04 at -2 % to 0.25 at 18 %, and from the same start for the other policy of that adapter.
    expect(readingAt(held, kl, 'minutes', 0.15).value).toBeCloseTo(0.04 + (0.17 / 0.2) * 0.21, 12);
    expect(readingAt(held, kl, 'random', 0.15).value).toBeCloseTo(0.04 + (0.17 / 0.2) * 0.96, 12);
    expect(readingAt(held, kl, 'minutes', 0)).toEqual({ value: 0.04, error, saved: -0.02 });
  });

  it('says who beats whom', () => {
    const page = duelTables(summary, view);
    expect(page).toContain('minutes is better at 1 of 1 points');
    expect(page).toContain('**0.590 (0.540 .. 0.640)**');
    // The interval moves with the values that were brought to one saving: here they stood there already.
    expect(page).toContain('-0.020 (-0.070 .. 0.030)');
    expect(winnersTable(summary, view)).toContain('ours is better');
    expect(curveTables(summary, view)).toContain('**minutes** (ours)');
    expect(curveTables(summary, view)).toContain("Perplexity of the dense model's own answers");
  });

  it('takes the judged curve for no baseline', () => {
    const judging = gatesView({ ...summary, judged: 'random' });
    expect(winnersTable(summary, view)).toContain('random');
    expect(winnersTable(summary, judging)).not.toContain('random');
    expect(duelTables(summary, judging)).toContain('minutes is better at 0 of 0 points');
    expect(duelTables(summary, judging)).toContain('| random |');
  });

  it('compares nothing that saves something else', () => {
    expect(isAtSaving({ saved: -0.18 }, 0)).toBe(false);
    expect(isAtSaving({ saved: 0.124 }, 0.15)).toBe(true);
    // At no saving nothing is brought to one: what an adapter costs there stands as it is.
    const costly = point('random', 0, 0.01, 0.01, -0.18);
    const row = { policy: 'random', target: 0, kl: { difference: 0.01, low: 0.005, high: 0.015 } };
    const paid = { ...summary, points: [...summary.points, point('minutes', 0, 0, 0), costly], against: [...summary.against, row] };
    const dueling = { ...view, savings: [0] };
    expect(duelTables(paid, dueling)).toContain('saves -18 %');
    expect(duelTables(paid, dueling)).toContain('minutes is better at 0 of 0 points');
    const fair = { ...paid, points: paid.points.map((each) => (each === costly ? point('random', 0, 0.01, 0.01) : each)) };
    expect(duelTables(fair, dueling)).toContain('minutes is better at 1 of 1 points');
  });

  it('shows what a threshold saves in conversations and in their answers, where these were told apart', () => {
    expect(answersTable(summary, view)).toBe('');
    const apart = { ...point('minutes', 0.25, 0.3, 0.2), own: { kl: 0.2, klError: error, saved: 0.18, savedOfAll: 0.31 } };
    const table = answersTable({ ...summary, points: [...summary.points.slice(0, 2), apart] }, view);
    expect(table.split('\n').slice(2)).toEqual(['| 25 % | 31 % | 18 % | 0.200 | 6.00 |']);
    expect(table).toContain('dense 5.00');
  });

  it('names what is left out, not measured and out of reach', () => {
    const text = conditions(summary, view);
    expect(text).toContain('paper; static at 25, 40 %');
    expect(text).toContain('32 tokens, answers, of which the 21 rows');
    expect(text).toContain('**Not measured yet**: norms');
    expect(text).toContain('paper at 50 % (refused)');
    expect(adaptersTable(summary)).toContain('LoRA rank 8 on 7 matrices a layer');
    expect(adaptersTable(summary)).toContain('| random | 15 % | random | as above |');
  });

  it('is, in the repository, what render.mjs makes of the numbers there', () => {
    const docs = mkdtempSync(join(folder, 'page-'));
    const kept = fileURLToPath(new URL('../../../docs', import.meta.url));
    for (const file of ['gates.md', 'gates-anchors.svg']) copyFileSync(join(kept, file), join(docs, file));
    execFileSync(process.execPath, [fileURLToPath(new URL('../render.mjs', import.meta.url)), '--docs', docs], { stdio: 'pipe' });
    for (const file of readdirSync(docs)) expect(readFileSync(join(docs, file), 'utf8'), file).toBe(readFileSync(join(kept, file), 'utf8'));
  });

  it('has charts of what there is', () => {
    const training = [{ name: 'minutes', recipe: 'minutes', ...parseLog(log) }];
    expect(Object.keys(gatesCharts(summary, view))).toEqual(['gates.svg']);
    const charts = gatesCharts({ ...summary, training }, view);
    expect(Object.keys(charts)).toEqual(['gates.svg', 'gates-training.svg']);
    for (const svg of Object.values(charts)) expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  });
});

const look = (tokens, ...kls) => ({
  kind: 'look',
  step: tokens / 1024,
  tokens,
  points: kls.map((kl, index) => ({ asked: [0, 0.15, 0.4][index], netSaved: [-0.02, 0.16, 0.41][index], kl })),
});
const log = [
  look(0, 0, 0.4, 1.9),
  { kind: 'step', step: 1, tokens: 1024, ms: 3000 },
  { kind: 'step', step: 2, tokens: 1024, ms: 3000 },
  look(2048, 0.02, 0.3, 1.2),
]
  .map((line) => JSON.stringify(line))
  .join('\n')
  .concat('\n{"kind":"loo');

describe('the log of a training run', () => {
  it('is read up to a line that is not there yet', () => {
    const run = parseLog(log);
    expect(run).toMatchObject({ tokens: 2048, seconds: 6 });
    expect(run.looks.map(({ tokens }) => tokens)).toEqual([0, 2048]);
    expect(run.looks[1].points[2]).toEqual({ asked: 0.4, saved: 0.41, kl: 1.2 });
    expect(parseLog('')).toEqual({ tokens: 0, seconds: 0, looks: [] });
  });

  it('gives a line a budget', () => {
    const lines = trainingLines(parseLog(log));
    expect(lines.map(({ name }) => name)).toEqual(['nothing skipped', '15 % asked', '40 % asked']);
    expect(lines[0].dots).toEqual([
      { x: 0, y: 0 },
      { x: 2.048, y: 0.02 },
    ]);
    expect(lines[2].dots.map(({ y }) => y)).toEqual([1.9, 1.2]);
    const drop = { looks: [{ tokens: 0, points: [{ asked: 1, saved: 0.156, kl: 2 }] }] };
    expect(trainingLines(drop)[0].name).toBe('15.6 % dropped');
    expect(trainingTable([{ name: 'm', recipe: 'minutes', ...parseLog(log) }])).toContain('| m | minutes | 2,048 | 0 min |');
  });
});

describe('what gates keep open', () => {
  const file = {
    piece: { name: 'anchors-minutes-25', curve: { name: 'minutes' }, saved: 0.25 },
    protectedBranches: [0],
    // Four branches a token; branch 0 never skips and counts nowhere.
    texts: [{ texts: ['A', ' b', '.'], branches: 4, kept: ['1111', '1000', '1011'].join('') }],
  };
  const classOf = (text, position) => (position === 0 ? 'first' : text === '.' ? 'punctuation' : 'word start');

  it('is counted over the branches that may skip', () => {
    const found = anchorsOf(file, classOf);
    expect(found.tokens).toBe(3);
    expect(found.all.kept).toBeCloseTo(5 / 9, 12);
    expect(found.classes).toEqual([
      { class: 'first', tokens: 1, kept: 1, attention: 1, mlp: 1 },
      { class: 'word start', tokens: 1, kept: 0, attention: 0, mlp: 0 },
      { class: 'punctuation', tokens: 1, kept: 2 / 3, attention: 1, mlp: 0.5 },
    ]);
    expect(found.layers[0]).toEqual({ layer: 0, kept: 1 / 3, attention: null, mlp: 1 / 3 });
    const table = anchorsTable([found], 'minutes');
    expect(table).toContain("| words' first pieces | 1 | 0 % | 0 % | 0 % |");
    expect(table).toContain('First token: more open than the mean (+44.4 points).');
    expect(() => anchorsOf({ ...file, texts: [{ ...file.texts[0], kept: '1' }] }, classOf)).toThrow('1 cells for 3 tokens');
  });

  it('is judged by the numbers', () => {
    const classes = [
      { class: 'first', kept: 0.4 },
      { class: 'punctuation', kept: 0.72 },
    ];
    expect(anchorsVerdict({ all: { kept: 0.7 }, classes })).toBe(
      'First token: less open than the mean (-30.0 points). Punctuation: about as open as the mean (+2.0 points).',
    );
  });
});
