import { Tokenizer as LibraryTokenizer } from '@huggingface/tokenizers';
import { mergeSymbols, type PairRank } from './merge-core.js';

/** Text that holds no special tokens, to ids. */
export type PlainEncoder = (text: string, out: number[]) => void;

/** Pieces above this many symbols go to our own merge, see `merge-core.ts`. Below it, the library caches and is fast. */
const longPiece = 512;

/**
 * Byte-level BPE through `@huggingface/tokenizers`, from the object that `tokenizer.json` holds without its added tokens
 * (those are found before, see `vocabulary-tokenizer.ts`).
 */
export function byteLevelEncoder(
  json: object,
  ids: ReadonlyMap<string, number>,
  merges: readonly (readonly [string, string])[],
  ignoreMerges: boolean,
): PlainEncoder {
  const library = new LibraryTokenizer(json, {});
  const { normalizer, pre_tokenizer: preTokenizer, model } = library;
  let rankOf: PairRank | undefined;
  return (text, out) => {
    const normal = normalizer ? normalizer(text) : text;
    const pieces = preTokenizer ? preTokenizer(normal, { section_index: 0 }) : [normal];
    for (const piece of pieces) {
      const whole = ignoreMerges ? ids.get(piece) : undefined;
      if (whole !== undefined) {
        out.push(whole);
        continue;
      }
      if (piece.length > longPiece) rankOf ??= pairRanks(merges);
      const parts = piece.length > longPiece && rankOf ? mergeSymbols(Array.from(piece), rankOf) : (model?.encode([piece]) ?? []);
      for (const part of parts) {
        const id = ids.get(part);
        // A byte that the vocabulary has no token for is left out, as in the tokenizer the model was trained with.
        if (id !== undefined) out.push(id);
      }
    }
  };
}

function pairRanks(merges: readonly (readonly [string, string])[]): PairRank {
  const ranks = new Map<string, Map<string, number>>();
  merges.forEach(([left, right], rank) => {
    let inner = ranks.get(left);
    if (!inner) ranks.set(left, (inner = new Map()));
    if (!inner.has(right)) inner.set(right, rank);
  });
  return (left, right) => ranks.get(left)?.get(right);
}
