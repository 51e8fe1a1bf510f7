export const TOKEN_CLASSES = [
  'first',
  'special',
  'whitespace',
  'number',
  'punctuation',
  'word start',
  'word part',
  'fragment',
  'other',
] as const;

/**
 * What a token is by its text: `first` of the sequence, a `special` token (`<|...|>`, `<s>`), the `word start` (letters
 * after a space) or a later `word part`, a `fragment` of a character's bytes.
 */
export type TokenClass = (typeof TOKEN_CLASSES)[number];

export function tokenClass(text: string, position: number): TokenClass {
  if (position === 0) return 'first';
  if (text === '') return 'other';
  if (/^<\|[^\s|]{1,64}\|>$|^<\/?(?:s|unk|pad|bos|eos)>$/.test(text)) return 'special';
  if (/^\s+$/u.test(text)) return 'whitespace';
  if (text.includes('\ufffd')) return 'fragment';
  if (/^\s*\p{N}+$/u.test(text)) return 'number';
  if (/^\s+[\p{L}\p{M}'’-]+$/u.test(text)) return 'word start';
  if (/^[\p{L}\p{M}'’-]*\p{L}[\p{L}\p{M}'’-]*$/u.test(text)) return 'word part';
  if (/^[\s\p{P}\p{S}]+$/u.test(text)) return 'punctuation';
  return 'other';
}
