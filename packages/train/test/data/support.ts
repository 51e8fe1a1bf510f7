import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRandomModel, type Model, type Tokenizer } from '@gateskip/model';
import { onTestFinished } from 'vitest';
import type { TrainingSequence } from '../../src/index.js';

/** A folder that is gone after the test. */
export function testFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'gateskip-train-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Specials of {@link asciiTokenizer}. */
export const END = 0;
export const BEGIN = 1;
export const TURN = 2;
const MARKS = ['<end>', '<begin>', '<turn>'];

/** One token per ASCII character, three special ones below 3. */
export function asciiTokenizer(addBegin = false): Tokenizer {
  return {
    vocabularySize: 128,
    beginToken: BEGIN,
    endToken: END,
    stopTokens: new Set([END]),
    addBegin,
    encode(text, options = {}) {
      const ids: number[] = (options.addBegin ?? addBegin) ? [BEGIN] : [];
      for (let at = 0; at < text.length; at++) {
        const mark = options.special ? MARKS.findIndex((one) => text.startsWith(one, at)) : -1;
        if (mark >= 0) at += (MARKS[mark] as string).length - 1;
        if (mark >= 0) ids.push(mark);
        else if (text[at] !== options.plainMark) ids.push(text.charCodeAt(at) < 128 ? Math.max(3, text.charCodeAt(at)) : 63);
      }
      return Int32Array.from(ids);
    },
    decode: (ids) => Array.from(ids, (id) => MARKS[id] ?? String.fromCharCode(id)).join(''),
    tokenBytes: (id, options) => Buffer.from(id > 2 ? String.fromCharCode(id) : options?.special ? (MARKS[id] as string) : ''),
    isSpecial: (id) => id < 3,
  };
}

/** `<turn>role:content<end>` and a new line for every message. */
export const TEMPLATE =
  "{% for m in messages %}{{ '<turn>' + m['role'] + ':' + m['content'] + '<end>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<turn>assistant:' }}{% endif %}";

/** A random model of 128 tokens that reads and writes ASCII. */
export function asciiModel({ addBegin = false, chatTemplate = TEMPLATE as string | undefined, seed = 3, contextLength = 128 } = {}): Model {
  const model = createRandomModel({
    seed,
    config: { layers: 2, hiddenSize: 32, heads: 2, kvHeads: 1, headSize: 16, intermediateSize: 48, contextLength },
  });
  return Object.assign(Object.create(model) as Model, {
    tokenizer: asciiTokenizer(addBegin),
    ...(chatTemplate !== undefined && { chatTemplate }),
  });
}

/** Sequences that can be told apart by any two of their tokens: token i of sequence s is unique. */
export function numberedSequences(lengths: readonly number[]): TrainingSequence[] {
  let next = 0;
  return lengths.map((length) => {
    const tokens = Int32Array.from({ length }, () => next++);
    const rowWeights = Float32Array.from(tokens, (token) => 1 + (token % 7));
    rowWeights[length - 1] = 0;
    return { tokens, rowWeights };
  });
}

export const allTokens = (sequences: readonly TrainingSequence[]): number[] => sequences.flatMap(({ tokens }) => [...tokens]);
