import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HeatMapTooLargeError, renderHeatMapText } from '../src/index.js';
import { makeTrace } from './make-trace.js';

// biome-ignore lint/suspicious/noControlCharactersInRegex: terminal colours start with this one.
const plain = (text: string): string => text.replace(/\u001b\[[0-9;]*m/g, '');

describe('renderHeatMapText', () => {
  it('draws one ASCII character a token and layer, with shares at the right', () => {
    const trace = makeTrace(5, 2);
    // Layer 0: attention skips token 3 (score 0.07), MLP none of 1..4 but token 3 (0.22).
    const cell = (token: number, layer: number): string => {
      const attention = trace.kept[token * 4 + 2 * layer];
      const mlp = trace.kept[token * 4 + 2 * layer + 1];
      return attention ? (mlp ? '#' : 'A') : mlp ? 'M' : '.';
    };
    const lines = renderHeatMapText(trace, { what: 'skips' }).split('\n');
    for (const layer of [0, 1]) {
      const row = lines.find((line) => line.startsWith(`    ${layer}  `)) as string;
      expect(row.slice(7, 12)).toBe([0, 1, 2, 3, 4].map((token) => cell(token, layer)).join(''));
      const skipped = [0, 1, 2, 3, 4].filter((token) => !trace.kept[token * 4 + 2 * layer]).length;
      expect(row).toContain(`${20 * skipped}%`);
    }
    expect(lines.join('\n')).not.toMatch(/[^\n -~]/);
    expect(lines[3]).toContain('---==');
  });

  it('never exceeds the width and covers every token once, in any colour mode', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 130 }),
        fc.integer({ min: 1, max: 6 }),
        fc.integer({ min: 40, max: 120 }),
        fc.constantFrom('truecolor' as const, '256' as const, 'none' as const),
        fc.constantFrom('both' as const, 'attention' as const, 'mlp' as const),
        fc.constantFrom('scores' as const, 'skips' as const),
        (count, layers, width, color, kinds, what) => {
          const text = plain(renderHeatMapText(makeTrace(count, layers), { width, color, kinds, what }));
          const body = text.split('\n\n').slice(1, -1);
          for (const line of body.join('\n').split('\n')) expect(line.length).toBeLessThanOrEqual(width);
          const covered = body.map((panel) => (panel.split('\n')[1] as string).match(/[-=─═]+/)?.[0].length ?? 0);
          expect(covered.reduce((sum, length) => sum + length, 0)).toBe(count);
          expect(Math.max(...covered) - Math.min(...covered)).toBeLessThanOrEqual(body.length);
        },
      ),
      { numRuns: 120 },
    );
  });

  it('ends every coloured line with a reset', () => {
    const text = renderHeatMapText(makeTrace(30, 3), { color: 'truecolor', what: 'scores' });
    for (const line of text.split('\n').filter((each) => each.includes('\u001b[38'))) expect(line).toContain('\u001b[0m');
    expect(text).toContain('▀');
  });

  it('shows cells without a score as blanks', () => {
    const trace = makeTrace(4, 1);
    trace.scores.fill(Number.NaN);
    expect(renderHeatMapText(trace, { what: 'scores', kinds: 'mlp' })).toMatch(/\n {4}0 {2} {4} {2}/);
  });

  it('refuses absurd sizes and options', () => {
    const trace = makeTrace(4, 1);
    expect(() => renderHeatMapText(trace, { width: 10 })).toThrow(/width of 10/);
    expect(() => renderHeatMapText(trace, { from: 3, to: 2 })).toThrow(/No tokens from 3 to 2/);
    expect(() => renderHeatMapText(trace, { range: [1, 0] })).toThrow(/not ascending/);
    expect(() => renderHeatMapText({ ...trace, texts: [] })).toThrow(/texts of the trace/);
    expect(() => renderHeatMapText({ ...trace, promptTokens: 9 })).toThrow(/promptTokens is 9/);
    expect(() => renderHeatMapText({ ...trace, branches: 3 })).toThrow(/even number/);
    expect(() => renderHeatMapText(makeTrace(6000, 100))).toThrow(HeatMapTooLargeError);
    expect(() => renderHeatMapText({ ...trace, tokens: [], texts: [] })).toThrow(/no token/);
  });
});
