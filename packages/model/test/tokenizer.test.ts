import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { openModel, type Tokenizer } from '../src/index.js';
import { mergeSymbols } from '../src/tokenizer/merge-core.js';
import { testFolder, writeTestFile } from './support/folder.js';
import { string, uint, type Value } from './support/gguf-bytes.js';
import { tinyGguf, tinyTokens } from './support/tiny-gguf.js';

const folder = testFolder();
let tokenizer: Tokenizer;
const open = async (values: Record<string, Value | undefined> = {}): Promise<Tokenizer> => {
  const model = await openModel(writeTestFile(folder, tinyGguf({ values })));
  await model.close();
  return model.tokenizer as Tokenizer;
};
beforeAll(async () => {
  tokenizer = await open();
});
const id = (token: string): number => tinyTokens.indexOf(token);

/** The definition: look for the best pair, leftmost first, join it, start again. Slow and obvious. */
function mergeByDefinition(symbols: string[], rank: (a: string, b: string) => number | undefined): string[] {
  const out = [...symbols];
  for (;;) {
    let best = -1;
    let bestRank = Number.POSITIVE_INFINITY;
    for (let i = 0; i + 1 < out.length; i++) {
      const value = rank(out[i] as string, out[i + 1] as string);
      if (value !== undefined && value < bestRank) [best, bestRank] = [i, value];
    }
    if (best < 0) return out;
    out.splice(best, 2, `${out[best]}${out[best + 1]}`);
  }
}

describe('merging', () => {
  it('equals its definition for any merges and text', () => {
    const symbol = fc.constantFrom('a', 'b', 'c', 'ab', 'bc', 'aa', 'abc');
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(symbol, symbol), { maxLength: 12, selector: (pair) => pair.join(' ') }),
        fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 60 }),
        (merges, text) => {
          const ranks = new Map(merges.map((pair, i) => [pair.join(' '), i]));
          const rank = (a: string, b: string): number | undefined => ranks.get(`${a} ${b}`);
          expect(mergeSymbols(text, rank)).toEqual(mergeByDefinition(text, rank));
        },
      ),
      { numRuns: 500 },
    );
  });

  it('a long piece merges as its halves do by the library', async () => {
    const word = 'hello'.repeat(400);
    expect([...tokenizer.encode(word)]).toEqual(new Array(400).fill(id('hello')));
    expect([...tokenizer.encode('hello'.repeat(20))]).toEqual(new Array(20).fill(id('hello')));
  });
});

describe('any text', () => {
  it('comes back, whatever it is; a lone surrogate as U+FFFD', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary', maxLength: 200 }),
          fc.string({ unit: 'grapheme', maxLength: 200 }),
          fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 60 }).map((units) => String.fromCharCode(...units)),
        ),
        (text) => {
          expect(tokenizer.decode(tokenizer.encode(text), { skipSpecial: false })).toBe(text.replace(/\p{Surrogate}/gu, '\ufffd'));
        },
      ),
      { numRuns: 300 },
    );
    expect(tokenizer.decode(tokenizer.encode('a\ud800b'))).toBe('a\ufffdb');
    expect(tokenizer.decode(tokenizer.encode('\ufeffx'))).toBe('\ufeffx');
  });

  it('bytes of the tokens, joined, are the text in UTF-8, also where a token ends inside a character', () => {
    const text = 'né 語🙂 hello';
    const bytes = [...tokenizer.encode(text)].flatMap((token) => [...tokenizer.tokenBytes(token)]);
    expect(bytes).toEqual([...Buffer.from(text)]);
  });

  it.each(['a', ' ', '\n', '1', '🙂', 'hello', "'s", '<|end|', '<|end|>', 'a b'])(
    'a megabyte of %j neither hangs nor overflows',
    (unit) => {
      const text = unit.repeat(Math.floor(1e6 / unit.length));
      const start = performance.now();
      const ids = tokenizer.encode(text);
      // Linear work; ten times what an idle machine of 2020 takes. A quadratic one would take hours.
      expect(performance.now() - start).toBeLessThan(60_000);
      expect(tokenizer.decode(ids)).toBe(text);
    },
  );

  it('refuses what is no text or no token', () => {
    expect(() => tokenizer.encode(undefined as unknown as string)).toThrowError(expect.objectContaining({ code: 'GS_INVALID_ARGUMENT' }));
    expect(() => tokenizer.decode([1, -1])).toThrowError(expect.objectContaining({ code: 'GS_INVALID_ARGUMENT' }));
    expect(() => tokenizer.tokenBytes(1e9)).toThrowError(expect.objectContaining({ code: 'GS_INVALID_ARGUMENT' }));
  });
});

describe('special tokens', () => {
  it('are read only when asked for; words that people added always', () => {
    expect([...tokenizer.encode('<|end|>', { special: true })]).toEqual([id('<|end|>')]);
    expect([...tokenizer.encode('<|end|>')]).not.toContain(id('<|end|>'));
    expect([...tokenizer.encode('hello<tool>hello')]).toEqual([id('hello'), id('<tool>'), id('hello')]);
  });

  it('are empty in text and bytes unless asked for', () => {
    const ids = tokenizer.encode('hello<|end|>', { special: true });
    expect(tokenizer.decode(ids)).toBe('hello');
    expect(tokenizer.decode(ids, { skipSpecial: false })).toBe('hello<|end|>');
    expect(tokenizer.tokenBytes(id('<|end|>'))).toHaveLength(0);
    expect(Buffer.from(tokenizer.tokenBytes(id('<|end|>'), { special: true })).toString()).toBe('<|end|>');
    expect(tokenizer.isSpecial(id('<|end|>'))).toBe(true);
    expect(tokenizer.isSpecial(id('<tool>'))).toBe(false);
  });

  it('a marked text stays plain, and the mark is dropped', () => {
    const marked = tokenizer.encode('<\ufdd0|end|>hello<|end|>', { special: true, plainMark: '\ufdd0' });
    expect([...marked]).toEqual([...tokenizer.encode('<|end|>hello'), id('<|end|>')]);
  });

  it('the begin token goes first where the model or the caller asks', async () => {
    expect(tokenizer.addBegin).toBe(false);
    expect(tokenizer.encode('hello', { addBegin: true })[0]).toBe(id('<|turn|>'));
    const other = await open({ 'tokenizer.ggml.add_bos_token': { type: 'bool', value: true } });
    expect([...other.encode('hello')]).toEqual([id('<|turn|>'), id('hello')]);
    expect([...other.encode('hello', { addBegin: false })]).toEqual([id('hello')]);
    expect([...other.encode('')]).toEqual([id('<|turn|>')]);
  });

  it('tokens that end a turn stop a generation', async () => {
    expect(tokenizer.stopTokens).toEqual(new Set([id('<|end|>')]));
    const other = await open({ 'tokenizer.ggml.eot_token_id': uint(id('<|turn|>')), 'tokenizer.ggml.pre': string('gpt-2') });
    expect(other.stopTokens).toEqual(new Set([id('<|end|>'), id('<|turn|>')]));
  });
});
