import { Tokenizer as LibraryTokenizer } from '@huggingface/tokenizers';
import { mergeSymbols, type PairRank } from './merge-core.js';

/** Text that holds no special tokens, to ids. */
export type PlainEncoder = (text: string, out: number[]) => void;

export interface ByteLevelParts {
  /** The object that `tokenizer.json` holds, without its added tokens: those are found before, see `vocabulary-tokenizer.ts`. */
  readonly json: object;
  readonly ids: ReadonlyMap<string, number>;
  readonly merges: readonly (readonly [string, string])[];
  /** Whole pieces that are tokens are taken as they are. */
  readonly ignoreMerges: boolean;
  /** Cuts a text into pieces in the byte-level alphabet; default: the library's normalizer and pre-tokenizer. */
  readonly cut?: { readonly pieces: (text: string) => readonly string[]; readonly toAlphabet: (piece: string) => string };
}

/** Pieces above this many symbols go to our own merge, see `merge-core.ts`. Below it, the library is fast. */
const longPiece = 512;
const cachedPieces = 20_000;
const longestCached = 64;

/** Byte-level BPE through `@huggingface/tokenizers`; ids of short pieces are remembered. */
export function byteLevelEncoder({ json, ids, merges, ignoreMerges, cut }: ByteLevelParts): PlainEncoder {
  const { normalizer, pre_tokenizer: preTokenizer, model } = new LibraryTokenizer(json, {});
  const cache = new Map<string, readonly number[]>();
  let rankOf: PairRank | undefined;
  const libraryPieces = (text: string): readonly string[] => {
    const normal = normalizer ? normalizer(text) : text;
    return preTokenizer ? preTokenizer(normal, { section_index: 0 }) : [normal];
  };
  const encodePiece = (piece: string): readonly number[] => {
    const whole = ignoreMerges ? ids.get(piece) : undefined;
    if (whole !== undefined) return [whole];
    let parts: readonly string[];
    if (piece.length > longPiece) {
      rankOf ??= pairRanks(merges);
      parts = mergeSymbols(Array.from(piece), rankOf);
    } else parts = model?.encode([piece]) ?? [];
    // A byte that the vocabulary has no token for is left out, as in the tokenizer the model was trained with.
    return parts.flatMap((part) => ids.get(part) ?? []);
  };
  return (text, out) => {
    for (const piece of cut ? cut.pieces(text) : libraryPieces(text)) {
      let known = cache.get(piece);
      if (!known) {
        known = encodePiece(cut ? cut.toAlphabet(piece) : piece);
        if (piece.length <= longestCached) {
          if (cache.size >= cachedPieces) cache.clear();
          cache.set(piece, known);
        }
      }
      for (const id of known) out.push(id);
    }
  };
}

function pairRanks(merges: readonly (readonly [string, string])[]): PairRank {
  const ranks = new Map<string, Map<string, number>>();
  merges.forEach(([left, right], rank) => {
    let inner = ranks.get(left);
    if (!inner) {
      inner = new Map();
      ranks.set(left, inner);
    }
    if (!inner.has(right)) inner.set(right, rank);
  });
  return (left, right) => ranks.get(left)?.get(right);
}
