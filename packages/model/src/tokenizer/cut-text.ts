import { byteToCharacter } from './byte-alphabet.js';

/**
 * Cuts a text by expressions, one after the other: what matches becomes a piece, so does what lies between matches.
 *
 * Same pieces as the library's pre-tokenizers give for the same expressions; those take seconds for a megabyte of digits,
 * because every splitter starts anew on every piece.
 */
export function textCutter(patterns: readonly string[]): (text: string) => string[] {
  const expressions = patterns.map((pattern) => new RegExp(pattern, 'gu'));
  return (text) => {
    let pieces = [text];
    for (const expression of expressions) {
      const cut: string[] = [];
      for (const piece of pieces) {
        if (piece.length === 1) cut.push(piece);
        else cutPiece(piece, expression, cut);
      }
      pieces = cut;
    }
    return pieces;
  };
}

function cutPiece(piece: string, expression: RegExp, out: string[]): void {
  let from = 0;
  expression.lastIndex = 0;
  for (let match = expression.exec(piece); match !== null; match = expression.exec(piece)) {
    if (match.index > from) out.push(piece.slice(from, match.index));
    from = match.index + match[0].length;
    if (match[0] === '') expression.lastIndex++;
    else out.push(match[0]);
  }
  if (from < piece.length) out.push(piece.slice(from));
}

/** A piece in the byte-level alphabet: one character per byte of its UTF-8. */
export function toByteAlphabet(piece: string): string {
  let out = '';
  for (const byte of Buffer.from(piece)) out += byteToCharacter[byte];
  return out;
}
