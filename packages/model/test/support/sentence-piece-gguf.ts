import { byteTokenName } from '../../src/tokenizer/sentence-piece.js';
import { buildGguf, floats, ints, string, strings, uint } from './gguf-bytes.js';

/**
 * A vocabulary-only GGUF of the SentencePiece kind: 256 byte tokens, then words in order of score. Made from the words
 * of a byte-level vocabulary, so that it has the thousands of overlapping pieces of a real one.
 */
export function sentencePieceGguf(words: readonly string[]): Buffer {
  const known = new Set<string>();
  const isLeftOut = (word: string): boolean =>
    word === '' || [...word].some((c) => c !== ' ' && (c < ' ' || c === '\ufffd' || c === '<' || c === '>'));
  for (const word of words) if (!isLeftOut(word)) known.add(word.replaceAll(' ', '\u2581'));
  const tokens = ['<unk>', '<s>', '</s>', ...Array.from({ length: 256 }, (_, byte) => byteTokenName(byte)), ...known];
  const types = tokens.map((_, id) => (id === 0 ? 2 : id < 3 ? 3 : id < 259 ? 6 : 1));
  // Some neighbours share a score, so that ties are met too.
  const scores = tokens.map((_, id) => (id < 259 ? 0 : -Math.floor((id - 259) / 2)));
  return buildGguf({
    values: [
      ['general.architecture', string('llama')],
      ['tokenizer.ggml.model', string('llama')],
      ['tokenizer.ggml.tokens', strings(tokens)],
      ['tokenizer.ggml.scores', floats(scores)],
      ['tokenizer.ggml.token_type', ints(types)],
      ['tokenizer.ggml.bos_token_id', uint(1)],
      ['tokenizer.ggml.eos_token_id', uint(2)],
      ['tokenizer.ggml.unknown_token_id', uint(0)],
    ],
    tensors: [],
  });
}
