import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HeatMapTooLargeError, renderHeatMapSvg } from '../src/index.js';
import { makeTrace } from './make-trace.js';

/** A strict check of well-formedness: every tag closes, attributes are quoted, only known elements, no bare `&` or `<`. */
function checkXml(svg: string): Map<string, number> {
  const counts = new Map<string, number>();
  const open: string[] = [];
  let rest = svg;
  while (rest !== '') {
    const text = /^[^<]+/.exec(rest)?.[0];
    if (text !== undefined) {
      expect(text.replace(/&#\d+;/g, '')).not.toContain('&');
      rest = rest.slice(text.length);
      continue;
    }
    const tag = /^<(\/?)([a-z]+)((?: [\w:-]+="[^"<]*")*)(\/?)>/.exec(rest);
    expect(tag, `at ${rest.slice(0, 80)}`).not.toBeNull();
    const [all, closing, name, , empty] = tag as RegExpExecArray;
    if (closing) expect(open.pop()).toBe(name);
    else {
      counts.set(name as string, (counts.get(name as string) ?? 0) + 1);
      if (!empty) open.push(name as string);
    }
    rest = rest.slice((all as string).length);
  }
  expect(open).toEqual([]);
  return counts;
}

const ALLOWED = new Set(['svg', 'title', 'style', 'rect', 'text', 'path']);

describe('renderHeatMapSvg', () => {
  it('is well formed and draws every cell, computed ones whole and skipped ones thin', () => {
    const trace = makeTrace(12, 3);
    const svg = renderHeatMapSvg(trace);
    checkXml(svg);
    const heights = [...svg.matchAll(/M[\d.]+ [\d.]+h12v([\d.]+)h-12z/g)].map((match) => Number(match[1]));
    expect(heights).toHaveLength(12 * 6);
    expect(heights.filter((height) => height === 1.5)).toHaveLength(trace.kept.filter((kept) => kept === 0).length);
  });

  it('cannot be injected into by token texts or the title', () => {
    const hostile = fc.oneof(
      fc.constantFrom(
        '</text><script>alert(1)</script>',
        '" onload="x',
        ']]>',
        '&amp;',
        '<!--',
        '\u0000',
        '\u001b[31m',
        '\u202e',
        '\ud800',
        '\ufffe',
        "'",
      ),
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc.string({ unit: 'grapheme', maxLength: 40 }),
    );
    fc.assert(
      fc.property(fc.array(hostile, { minLength: 1, maxLength: 6 }), hostile, (texts, title) => {
        const svg = renderHeatMapSvg(makeTrace(texts.length, 1, texts), { title });
        const plain = renderHeatMapSvg(makeTrace(texts.length, 1), { title: 'x' });
        const counts = checkXml(svg);
        for (const name of counts.keys()) expect(ALLOWED.has(name)).toBe(true);
        expect(counts).toEqual(checkXml(plain));
        // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not appear.
        expect(svg).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\ufffe\uffff]/);
        expect(svg).not.toMatch(/\p{Surrogate}/u);
      }),
      { numRuns: 60 },
    );
  });

  it('shows control characters as pictures and cuts long texts', () => {
    const svg = renderHeatMapSvg(makeTrace(2, 1, ['a\nb', 'x'.repeat(1_000_000)]));
    expect(svg).toContain('a\u240ab');
    expect(svg).toContain(`${'x'.repeat(15)}…`);
    expect(svg.length).toBeLessThan(20_000);
  });

  it('draws only the kinds and tokens asked for', () => {
    const trace = makeTrace(20, 2);
    const cells = (svg: string): number => [...svg.matchAll(/M[\d.]+ [\d.]+h12v/g)].length;
    expect(cells(renderHeatMapSvg(trace, { kinds: 'mlp' }))).toBe(20 * 2);
    expect(cells(renderHeatMapSvg(trace, { from: 4, to: 9 }))).toBe(5 * 4);
  });

  it('refuses more cells than a viewer can draw', () => {
    expect(() => renderHeatMapSvg(makeTrace(3000, 50))).toThrow(HeatMapTooLargeError);
    expect(() => renderHeatMapSvg(makeTrace(3000, 50), { to: 100 })).not.toThrow();
  });
});
