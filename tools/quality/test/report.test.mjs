import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { atSaving } from '../at-saving.mjs';
import { chart, logTicks, ticks } from '../chart.mjs';
import { chartsOf } from '../charts.mjs';
import { keepSettings } from '../files.mjs';
import { findingsTable } from '../findings.mjs';
import { replaceBetween } from '../markers.mjs';
import { metricsOf, verdictOf, winnerOf } from '../metrics.mjs';
import { curves, pointName, SAVINGS, variants } from '../policies.mjs';
import { spreadText } from '../spread-text.mjs';
import { compact } from '../summarize.mjs';
import { conditions, curveTables, winnersTable } from '../tables.mjs';
import { workList } from '../work-list.mjs';

describe('the list of work', () => {
  it('has every point once, under a file name of its own, texts before tasks', () => {
    const pieces = workList();
    const names = pieces.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(pieces.filter(({ part, curve }) => part === 'tasks' && curve).length).toBe(curves.length * SAVINGS.length);
    expect(pieces.filter(({ part }) => part === 'texts').length).toBe(1 + curves.length * SAVINGS.length + 2 * variants.length);
    expect(pieces.findLastIndex(({ part }) => part === 'texts')).toBeLessThan(pieces.findIndex(({ part }) => part === 'tasks'));
    for (const name of names) expect(name).toMatch(/^[a-z0-9.-]+$/);
  });

  it('leaves out what is not wanted', () => {
    const pieces = workList({ curves: curves.slice(0, 2), savings: [0.1], variants: [], parts: new Set(['texts']) });
    expect(pieces.map(({ name }) => name)).toEqual(['texts-dense', 'texts-global-threshold-10', 'texts-static-influence-10']);
    expect(pointName({ name: 'a, b' }, 0.125)).toBe('a-b-12.5');
  });
});

describe('a curve at a saving', () => {
  const measured = [
    { saved: 0.2, value: 4 },
    { saved: 0, value: 0 },
    { saved: 0.1, value: 1 },
  ];
  it('lies on the line between its neighbours', () => {
    expect(atSaving(0.15, measured)).toBeCloseTo(2.5, 12);
    expect(atSaving(0.1, measured)).toBe(1);
  });
  it('is carried on by a point at most', () => {
    expect(atSaving(0.205, measured)).toBeCloseTo(4.15, 12);
    expect(atSaving(0.25, measured)).toBeUndefined();
    expect(atSaving(0.1, [])).toBeUndefined();
  });
});

describe('pieces of a text', () => {
  it('are spread over it and begin with lines', () => {
    const text = Array.from({ length: 100 }, (_, line) => `line ${line} of a hundred`).join('\n');
    const pieces = spreadText(text, 4, 50);
    expect(pieces.map((piece) => piece.length)).toEqual([50, 50, 50, 50]);
    for (const piece of pieces) expect(piece).toMatch(/^line \d+ of/);
    expect(new Set(pieces).size).toBe(4);
    expect(text.indexOf(pieces[3])).toBeGreaterThan(0.7 * text.length);
  });
  it('are refused where the text is too short', () => {
    expect(() => spreadText('short', 2, 50)).toThrow('5 characters');
  });
});

describe('a folder of results', () => {
  const folder = mkdtempSync(join(tmpdir(), 'quality-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  it('refuses other settings', () => {
    const path = join(folder, 'settings.json');
    keepSettings(path, { items: 3, text: { sha256: 'a' } });
    keepSettings(path, { text: { sha256: 'a' }, items: 3 });
    expect(() => keepSettings(path, { items: 3, text: { sha256: 'b' } })).toThrow('text changed');
  });
});

describe('the page', () => {
  const point = (policy, target, kl, saved = target) => ({
    policy,
    target,
    asked: target,
    agreement: { kl, klError: 0.01, top1: 1 - kl, top1Error: 0.02, saved },
    perplexity: { value: 20 * (1 + kl), error: 1, saved },
  });
  const interval = (difference) => ({ difference, low: difference - 0.05, high: difference + 0.05 });
  const summary = {
    created: '2026-01-02T00:00:00.000Z',
    model: { name: 'tiny', fingerprint: 'f'.repeat(64) },
    adapter: { name: 'gates' },
    machine: { cpu: 'a processor', node: '20', backend: { name: 'cpu', details: { threads: 2 } } },
    settings: { text: { window: 8 } },
    texts: { text: { tokens: 64, source: 'a.txt', stride: 4 }, own: null },
    data: {},
    dense: { perplexity: { value: 20, error: 1 }, tasks: null },
    points: [point('global-threshold', 0.1, 0.4), point('static-kl', 0.1, 0.2), point('random', 0.1, 0.9), point('oracle', 0.1, 0.01)],
    against: [{ policy: 'static-kl', target: 0.1, kl: interval(-0.2), top1: interval(0.2), logPerplexity: interval(-0.15) }],
    profile: null,
  };

  it('says where a baseline beats ours, and never counts the oracle', () => {
    const kl = metricsOf(summary).find(({ name }) => name === 'kl');
    const found = winnerOf(summary, kl, 0.1);
    expect(found.best.policy).toBe('static-kl');
    expect(found.verdict).toBe('the baseline is better');
    expect(found.readings).toBe(3);
    expect(winnersTable(summary)).toContain('the baseline is better');
    expect(curveTables(summary)).toContain('**0.200 ± 0.010**');
  });

  it('calls a difference clear only where its interval leaves out 0', () => {
    expect(verdictOf({ low: -0.1, high: 0.1 }, true)).toBe('no clear difference');
    expect(verdictOf({ low: 0.1, high: 0.2 }, true)).toBe('ours is better');
    expect(verdictOf({ low: 0.1, high: 0.2 }, false)).toBe('the baseline is better');
    expect(verdictOf(undefined, false)).toBe('not tested');
  });

  it('compares at equal saving: who saved more is moved back along its own curve', () => {
    const drifted = { ...summary, points: [point('global-threshold', 0.1, 0.4, 0.2), point('static-kl', 0.1, 0.25)] };
    const kl = metricsOf(drifted).find(({ name }) => name === 'kl');
    const found = winnerOf(drifted, kl, 0.1);
    expect(found.ours.value).toBeCloseTo(0.2, 12);
    expect(found.paired.difference).toBeCloseTo(0.05, 12);
  });

  it('is marked partial until all points are there', () => {
    expect(conditions(summary)).toContain('**Partial**');
    expect(conditions(summary)).toContain('text 4 of 60');
  });

  it('has charts of what there is', () => {
    expect(Object.keys(chartsOf(summary))).toEqual(['quality.svg']);
    expect(chartsOf(summary)['quality.svg']).not.toMatch(/NaN|undefined|Infinity/);
  });

  it('judges a finding once all it needs was measured, and by the numbers', () => {
    const uniform = { ...summary, points: [...summary.points, point('branch-quantile', 0.1, 0.8), point('branch-threshold', 0.1, 0.41)] };
    const row = (page) => page.split('\n').find((line) => line.includes('One quantile'));
    expect(row(findingsTable(summary))).toContain('not measured yet');
    expect(row(findingsTable(uniform))).toContain('| in part |');
    expect(findingsTable(uniform)).not.toContain('| confirmed |');
  });

  it('keeps what stands outside the markers', () => {
    const page = 'before\n<!-- a:begin -->\nold\n<!-- a:end -->\nafter\n';
    expect(replaceBetween(page, 'a', 'new')).toBe('before\n<!-- a:begin -->\nnew\n<!-- a:end -->\nafter\n');
    expect(() => replaceBetween(page, 'b', 'new')).toThrow('b:begin');
  });
});

describe('charts', () => {
  it('have round ticks', () => {
    expect(ticks(-2, 52)).toEqual([0, 20, 40]);
    expect(logTicks(-1, 1)).toEqual([0.1, 0.2, 0.5, 1, 2, 5, 10]);
    expect(logTicks(0, 0.3).length).toBeGreaterThanOrEqual(3);
  });
  it('leave zeros out of a logarithmic axis', () => {
    const lines = [
      {
        name: 'n',
        dots: [
          { x: 0, y: 0 },
          { x: 1, y: 0.1 },
          { x: 2, y: 1 },
        ],
      },
    ];
    const svg = chart('t', [{ x: 'x', y: 'y', log: true, lines }]);
    expect(svg).not.toMatch(/NaN|Infinity/);
    expect(svg.match(/<polyline points="([^"]*)"/)[1].split(' ')).toHaveLength(2);
  });
  it('have room for long names in the legend', () => {
    const names = ['a', 'b'.repeat(31), 'c', 'd'.repeat(12), 'e', 'f'];
    const panel = { x: 'x', y: 'y', lines: names.map((name) => ({ name, dots: [{ x: 1, y: 1 }] })) };
    const svg = chart('t', [panel, panel]);
    const labels = [...svg.matchAll(/<text x="([\d.]+)" y="([\d.]+)">([a-f]+)<\/text>/g)].map(([, x, y, name]) => ({ x: +x, y: +y, name }));
    expect(labels.map(({ name }) => name)).toEqual(names);
    for (const [at, label] of labels.entries()) {
      const next = labels[at + 1];
      const end = label.x + 7.5 * label.name.length;
      expect(end).toBeLessThan(next?.y === label.y ? next.x - 10 : 940);
    }
  });
  it('escape what they are given and stand a single dot', () => {
    const svg = chart('a < b & "c"', [{ x: 'x', y: 'y', lines: [{ name: '<n>', dots: [{ x: 1, y: 2 }] }] }]);
    expect(svg).toContain('a &lt; b &amp; &quot;c&quot;');
    expect(svg).not.toMatch(/NaN|<n>/);
  });
});

it('numbers are kept to five digits', () => {
  expect(compact({ a: [0.123456789, 12], b: 'x', c: null })).toEqual({ a: [0.12346, 12], b: 'x', c: null });
});
