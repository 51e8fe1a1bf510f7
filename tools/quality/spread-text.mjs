/**
 * Pieces of a text evenly spread over it, each from the beginning of a line, so that few tokens meet many subjects.
 *
 * @param {string} text
 * @param {number} pieces
 * @param {number} characters of one piece
 * @returns {string[]}
 */
export function spreadText(text, pieces, characters) {
  if (pieces * characters > text.length)
    throw new Error(
      `A text of ${text.length} characters has no ${pieces} pieces of ${characters}. Give a longer text, or ask for fewer tokens.`,
    );
  return Array.from({ length: pieces }, (_, piece) => {
    const share = text.length / pieces;
    const aim = Math.floor(piece * share);
    const last = Math.floor((piece + 1) * share) - characters;
    const line = piece === 0 ? 0 : text.indexOf('\n', aim) + 1;
    const start = line > aim && line <= last ? line : aim;
    // A surrogate pair may be cut at either end.
    return text.slice(start, start + characters).toWellFormed();
  });
}
