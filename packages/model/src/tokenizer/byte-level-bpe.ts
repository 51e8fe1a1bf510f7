import { mergeSymbols, type PairRank } from './merge-core.js';

/** Text that holds no special tokens, to ids. */
export type PlainEncoder = (text: string, out: number[]) => void;

export interface ByteLevelParts {
  /** The library's merge: a piece in the byte-level alphabet to its tokens. */
  merge(piece: string): readonly string[];
  idOf(token: string): number | undefined;
  /** Made when the first long piece comes. */
  makeRanks(): PairRank;
  /** Whole pieces that are tokens are taken as they are. */
  readonly ignoreMerges: boolean;
  /** Cuts a text into pieces, and writes one in the byte-level alphabet. */
  pieces(text: string): readonly string[];
  toAlphabet(piece: string): string;
}

/** Pieces above this many symbols go to our own merge, see `merge-core.ts`. Below it, the library is fast. */
const longPiece = 512;
const cachedPieces = 20_000;
const longestCached = 64;

/** Byte-level BPE through `@huggingface/tokenizers`; ids of short pieces are remembered. */
export function byteLevelEncoder({ merge, idOf, makeRanks, ignoreMerges, pieces, toAlphabet }: ByteLevelParts): PlainEncoder {
  const cache = new Map<string, readonly number[]>();
  let rankOf: PairRank | undefined;
  const encodePiece = (piece: string): readonly number[] => {
    const whole = ignoreMerges ? idOf(piece) : undefined;
    if (whole !== undefined) return [whole];
    let parts: readonly string[];
    if (piece.length > longPiece) {
      rankOf ??= makeRanks();
      parts = mergeSymbols(Array.from(piece), rankOf);
    } else parts = merge(piece);
    // A byte that the vocabulary has no token for is left out, as in the tokenizer the model was trained with.
    return parts.flatMap((part) => idOf(part) ?? []);
  };
  return (text, out) => {
    for (const piece of pieces(text)) {
      let known = cache.get(piece);
      if (!known) {
        known = encodePiece(toAlphabet(piece));
        if (piece.length <= longestCached) {
          if (cache.size >= cachedPieces) cache.clear();
          cache.set(piece, known);
        }
      }
      for (const id of known) out.push(id);
    }
  };
}
