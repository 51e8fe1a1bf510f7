import { stat } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { InvalidArgumentError } from '@gateskip/errors';
import { type Model, TemplateError, type Tokenizer } from '@gateskip/model';
import { Pacer } from '../progress.js';
import { checkLicense, checkNumber, checkWhole } from './checks.js';
import { encodeConversation } from './encode-conversation.js';
import { TrainingTextInvalidError } from './errors.js';
import { parseRecord, RECORD_LAYOUTS, RecordProblem } from './instruction-record.js';
import { splitHeldOut } from './split-held-out.js';
import { textFingerprint } from './text-fingerprint.js';
import type { TextPhase, TextProgress } from './text-progress.js';
import type { TrainingSequence, TrainingText } from './training-text.js';
import { readLines, readUtf8 } from './utf8-file.js';
import { WindowCutter } from './window-cutter.js';

export type TextFormat = 'text' | 'jsonl';

export interface ReadTrainingTextRequest {
  /** UTF-8 files: `.jsonl`, `.ndjson` and `.json` hold one JSON object a line, all others text. */
  readonly paths: readonly string[];
  /** For all files, whatever their names say. */
  readonly format?: TextFormat;
  readonly model: Pick<Model, 'tokenizer' | 'chatTemplate' | 'config'>;
  /** Longest sequence; default 1024, at most the context. */
  readonly windowTokens?: number;
  /** Share of the sequences that is held out; default 0.1. */
  readonly heldOutShare?: number;
  /** u32; default 1. */
  readonly seed?: number;
  readonly license: string;
  /** Default: names and sizes of the files. */
  readonly description?: string;
  /** Most tokens of all files; default 67,108,864. More is refused, not cut. */
  readonly maxTokens?: number;
  readonly onProgress?: (progress: TextProgress) => void;
  readonly signal?: AbortSignal;
}

export interface FileReport {
  readonly path: string;
  readonly format: TextFormat;
  /** Lines with a record; 1 for a text. */
  readonly records: number;
  readonly sequences: number;
  readonly tokens: number;
}

export interface TextReport {
  readonly files: readonly FileReport[];
  readonly sequences: number;
  readonly tokens: number;
  /** Conversations longer than a window: their end was cut off. */
  readonly cutRecords: number;
  /** What was cut off them. */
  readonly cutTokens: number;
  /** Conversations whose answers all lie behind the window, and records without text. */
  readonly leftOutRecords: number;
  /** Of those, and of ends of texts that are too short to learn from. */
  readonly leftOutTokens: number;
}

export type FileTrainingText = TrainingText & { readonly report: TextReport };

const MOST_FILE_BYTES = 4_294_967_296;
const MOST_LINE_CHARACTERS = 8_388_608;
const MOST_PATHS = 4096;

/**
 * Text to train on from files. Texts are cut into windows, all rows weigh 1; conversations go through the model's chat
 * template, answers weigh 1 and prompts 0. What is cut off or left out is counted in `report`.
 *
 * @throws TrainingTextInvalidError naming file and line, TrainingTextTooShortError, InvalidArgumentError, TemplateError (a
 *   model without chat template), AbortedError
 */
export async function readTrainingText(request: ReadTrainingTextRequest): Promise<FileTrainingText> {
  const { paths, model, heldOutShare = 0.1, seed = 1, maxTokens = 67_108_864, signal } = request;
  const { contextLength, name } = model.config;
  const windowTokens = request.windowTokens ?? Math.min(1024, contextLength);
  checkWhole('windowTokens', windowTokens, 2, contextLength);
  checkNumber('heldOutShare', heldOutShare, Number.MIN_VALUE, 0.5);
  checkWhole('seed', seed, 0, 4_294_967_295);
  checkWhole('maxTokens', maxTokens, 2, 1_073_741_824);
  checkWhole('The number of paths', paths.length, 1, MOST_PATHS);
  checkLicense(request.license);
  if (!model.tokenizer)
    throw new InvalidArgumentError(`Model "${name}" has no tokenizer.`, 'Take a file that holds one.', { what: 'model' });

  const pacer = new Pacer<TextPhase>('Reading the training text', signal, request.onProgress);
  const sizes = await Promise.all(paths.map(async (path) => (await stat(path).catch(() => undefined))?.size ?? 0));
  const totalBytes = sizes.reduce((sum, size) => sum + size, 0);
  const reader = new TextReader(model, model.tokenizer, { windowTokens, maxTokens, pacer, signal });
  let doneBytes = 0;
  for (const [index, path] of paths.entries()) {
    const onBytes = (bytes: number): void => pacer.report('read', Math.min(totalBytes, doneBytes + bytes), totalBytes);
    await reader.read(path, request.format ?? formatOf(path), onBytes);
    doneBytes += sizes[index] as number;
  }
  pacer.report('read', totalBytes, totalBytes);
  const split = splitHeldOut(reader.sequences, { share: heldOutShare, seed });
  const report = reader.report();
  const files = report.files.map(({ path, tokens }) => `${basename(path)} (${tokens} tokens)`);
  return {
    ...split,
    description: request.description ?? `text of ${files.join(', ')}`,
    license: request.license,
    fingerprint: textFingerprint(split.train, split.heldOut),
    report,
  };
}

function formatOf(path: string): TextFormat {
  return ['.jsonl', '.ndjson', '.json'].includes(extname(path).toLowerCase()) ? 'jsonl' : 'text';
}

interface ReaderOptions {
  readonly windowTokens: number;
  readonly maxTokens: number;
  readonly pacer: Pacer<TextPhase>;
  readonly signal: AbortSignal | undefined;
}

class TextReader {
  readonly sequences: TrainingSequence[] = [];
  private readonly files: FileReport[] = [];
  private tokens = 0;
  private cutRecords = 0;
  private cutTokens = 0;
  private leftOutRecords = 0;
  private leftOutTokens = 0;

  constructor(
    private readonly model: ReadTrainingTextRequest['model'],
    private readonly tokenizer: Tokenizer,
    private readonly options: ReaderOptions,
  ) {}

  async read(path: string, format: TextFormat, onBytes: (bytes: number) => void): Promise<void> {
    const before = { sequences: this.sequences.length, tokens: this.tokens };
    const options = { maxBytes: MOST_FILE_BYTES, signal: this.options.signal, onBytes };
    let records = 1;
    if (format === 'text') {
      const cutter = new WindowCutter(this.tokenizer, this.options.windowTokens);
      for await (const { text } of readUtf8(path, options)) {
        cutter.push(text);
        this.checkTokens(path, undefined, cutter.tokens);
        await this.options.pacer.breathe();
      }
      this.takeWindows(cutter);
    } else {
      records = 0;
      for await (const { text, line } of readLines(path, { ...options, maxCharacters: MOST_LINE_CHARACTERS })) {
        if (text.trim() === '') continue;
        await this.readRecord(path, line, text);
        records++;
        await this.options.pacer.breathe();
      }
    }
    this.checkTokens(path, undefined, 0);
    this.files.push({
      path,
      format,
      records,
      sequences: this.sequences.length - before.sequences,
      tokens: this.tokens - before.tokens,
    });
  }

  report(): TextReport {
    const { files, tokens, cutRecords, cutTokens, leftOutRecords, leftOutTokens } = this;
    return { files, sequences: this.sequences.length, tokens, cutRecords, cutTokens, leftOutRecords, leftOutTokens };
  }

  private async readRecord(path: string, line: number, text: string): Promise<void> {
    try {
      const record = parseRecord(text);
      if (record.kind === 'text') {
        const cutter = new WindowCutter(this.tokenizer, this.options.windowTokens);
        cutter.push(record.text);
        if (!this.takeWindows(cutter)) this.leftOutRecords++;
      } else {
        if (this.model.chatTemplate === undefined) {
          throw new TemplateError(
            `${JSON.stringify(path)}, line ${line} is a conversation, and the model has no chat template.`,
            'Take a model with a template, or give records of the form {text}.',
          );
        }
        this.takeConversation(await encodeConversation(this.model, record.messages, this.options.signal));
      }
    } catch (error) {
      const isTemplate = error instanceof TemplateError && this.model.chatTemplate !== undefined;
      if (!(error instanceof RecordProblem) && !isTemplate) throw error;
      const problem = (error as Error).message.replace(/\.$/, '');
      throw new TrainingTextInvalidError(path, line, problem, `Correct or remove the line. Layouts that are read: ${RECORD_LAYOUTS}.`);
    }
    this.checkTokens(path, line, 0);
  }

  private takeWindows(cutter: WindowCutter): boolean {
    cutter.finish();
    for (const sequence of cutter.sequences) this.take(sequence);
    this.leftOutTokens += cutter.leftOutTokens;
    return cutter.sequences.length > 0;
  }

  private takeConversation(whole: TrainingSequence): void {
    const { windowTokens } = this.options;
    const tokens = whole.tokens.slice(0, windowTokens);
    const rowWeights = whole.rowWeights.slice(0, windowTokens);
    // What the last row predicts was cut off.
    rowWeights[tokens.length - 1] = 0;
    if (!rowWeights.some((weight) => weight > 0)) {
      this.leftOutRecords++;
      this.leftOutTokens += whole.tokens.length;
      return;
    }
    if (tokens.length < whole.tokens.length) {
      this.cutRecords++;
      this.cutTokens += whole.tokens.length - tokens.length;
    }
    this.take({ tokens, rowWeights });
  }

  private take(sequence: TrainingSequence): void {
    this.sequences.push(sequence);
    this.tokens += sequence.tokens.length;
  }

  private checkTokens(path: string, line: number | undefined, waiting: number): void {
    const { maxTokens } = this.options;
    if (this.tokens + waiting <= maxTokens) return;
    const problem = `the text has more than ${maxTokens} tokens up to here`;
    throw new TrainingTextInvalidError(path, line, problem, 'Give less text, or raise maxTokens.');
  }
}
