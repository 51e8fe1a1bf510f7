import type { Tokenizer } from '@gateskip/model';
import { MIN_WINDOW } from '../fit/windows.js';
import type { TrainingSequence } from './training-text.js';

/** Characters that are tokenised at once: so a file of any length is, and the event loop turns in between. */
const PIECE_CHARACTERS = 65_536;

/**
 * Cuts a text that comes in parts into sequences of `windowTokens`, each with the model's begin token where it expects one.
 * All rows weigh 1 but the last.
 */
export class WindowCutter {
  readonly sequences: TrainingSequence[] = [];
  /** Tokens of all windows so far, and of what waits for the next. */
  tokens = 0;
  /** Of an end that is too short to learn from. */
  leftOutTokens = 0;
  private text = '';
  private waiting: number[] = [];
  private readonly begin: readonly number[];

  constructor(
    private readonly tokenizer: Tokenizer,
    private readonly windowTokens: number,
  ) {
    this.begin = tokenizer.addBegin && tokenizer.beginToken !== undefined ? [tokenizer.beginToken] : [];
  }

  push(text: string): void {
    this.text += text;
    while (this.text.length > PIECE_CHARACTERS) {
      const end = pieceEnd(this.text, PIECE_CHARACTERS);
      this.take(this.text.slice(0, end));
      this.text = this.text.slice(end);
    }
  }

  /** The document is at its end. */
  finish(): void {
    if (this.text !== '') this.take(this.text);
    this.text = '';
    const rest = this.waiting;
    this.waiting = [];
    const isShortEnd = this.sequences.length > 0 && rest.length < MIN_WINDOW;
    if (rest.length > 0 && (isShortEnd || this.begin.length + rest.length < 2)) {
      this.leftOutTokens += rest.length;
      this.tokens -= rest.length;
    } else if (rest.length > 0) this.emit(rest);
  }

  private take(piece: string): void {
    const content = this.windowTokens - this.begin.length;
    for (const token of this.tokenizer.encode(piece, { addBegin: false })) {
      this.waiting.push(token);
      this.tokens++;
      if (this.waiting.length < content) continue;
      this.emit(this.waiting);
      this.waiting = [];
    }
  }

  private emit(content: readonly number[]): void {
    const tokens = Int32Array.from([...this.begin, ...content]);
    const rowWeights = new Float32Array(tokens.length).fill(1);
    rowWeights[tokens.length - 1] = 0;
    this.sequences.push({ tokens, rowWeights });
  }
}

/**
 * Where a text of more than `most` characters is cut so that its tokens stay what they are: behind a single line end
 * between two words where there is one, else behind any, never inside a surrogate pair.
 */
export function pieceEnd(text: string, most: number): number {
  for (let at = text.lastIndexOf('\n', most - 2); at > most / 2; at = text.lastIndexOf('\n', at - 1)) {
    if (/\S/.test(text[at - 1] as string) && /\S/.test(text[at + 1] as string)) return at + 1;
  }
  const line = text.lastIndexOf('\n', most - 1);
  if (line > most / 2) return line + 1;
  const space = text.lastIndexOf(' ', most - 1);
  if (space > most / 2) return space;
  return /[\ud800-\udbff]/.test(text[most - 1] as string) ? most - 1 : most;
}
