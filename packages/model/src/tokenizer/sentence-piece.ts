import { mergeSymbols } from './merge-core.js';

/** SentencePiece writes a space as U+2581. */
const visibleSpace = '\u2581';

export interface SentencePieceParts {
  idOf(token: string): number | undefined;
  /** Higher joins first. */
  readonly scores: ArrayLike<number>;
  /** Ids of the tokens `<0x00>` to `<0xFF>`, by byte. */
  readonly byteTokens: readonly number[];
  /** Put a space before every text, so that a word is the same at its start and inside. */
  readonly addSpacePrefix: boolean;
}

/**
 * BPE of SentencePiece models (Llama 2 and its kin): no cutting into words, neighbours join by the score of what they make,
 * and characters without a token become their bytes. The library has no scores, so this is ours.
 */
export function sentencePieceEncoder({
  idOf,
  scores,
  byteTokens,
  addSpacePrefix,
}: SentencePieceParts): (text: string, out: number[]) => void {
  const rank = (left: string, right: string): number | undefined => {
    const id = idOf(left + right);
    return id === undefined ? undefined : -(scores[id] as number);
  };
  return (text, out) => {
    const escaped = `${addSpacePrefix ? ' ' : ''}${text}`.replaceAll(' ', visibleSpace);
    for (const piece of mergeSymbols(Array.from(escaped), rank)) {
      const id = idOf(piece);
      if (id !== undefined) out.push(id);
      else for (const byte of Buffer.from(piece)) out.push(byteTokens[byte] as number);
    }
  };
}

/** Bytes of a token that is neither special nor a byte token. */
export const sentencePieceBytes = (token: string): Uint8Array => Buffer.from(token.replaceAll(visibleSpace, ' '));

export const byteTokenName = (byte: number): string => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;
