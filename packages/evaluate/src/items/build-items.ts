import { createHash } from 'node:crypto';
import { AbortedError, UnsupportedError } from '@gateskip/errors';
import { encodeChat, type Model, type Tokenizer } from '@gateskip/model';
import type { TaskRecord } from '../data/read-records.js';
import type { EvaluationTask } from '../task/task.js';
import { encodePair, fitContext, wellFormed } from './encode-pair.js';
import { type Examples, fewShotPrefix } from './few-shot.js';
import type { EvaluationItem, ScoredText } from './item.js';
import { letterOf } from './letters.js';

export interface BuildOptions {
  readonly model: Pick<Model, 'config' | 'tokenizer' | 'chatTemplate'>;
  readonly examples: Examples | undefined;
  readonly fewShot: number;
  readonly chat: boolean;
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
}

/** Tokens of all items of a task. @throws UnsupportedError, DataMissingError, TextTooLongError, TemplateError, AbortedError */
export async function buildItems(task: EvaluationTask, records: readonly TaskRecord[], options: BuildOptions): Promise<EvaluationItem[]> {
  const { model, chat, examples, fewShot, seed, signal } = options;
  const { tokenizer } = model;
  if (tokenizer === undefined) throw new UnsupportedError(`Model "${model.config.name}" has no tokenizer, and tasks are text.`);
  if (chat && (task.kind === 'partial' || task.kind === 'last-word'))
    throw new UnsupportedError(
      `Task ${task.name} continues a sentence in the middle, which a chat template cannot.`,
      'Leave --chat out, or the task.',
      {
        what: task.name,
      },
    );
  const items: EvaluationItem[] = [];
  for (const record of records) {
    if (signal?.aborted) throw new AbortedError('The evaluation');
    const prefix = fewShotPrefix(task, record, examples, fewShot, seed);
    items.push(await buildItem(task, record, prefix, tokenizer, chat, model));
  }
  return items;
}

async function buildItem(
  task: EvaluationTask,
  record: TaskRecord,
  prefix: string,
  tokenizer: Tokenizer,
  chat: boolean,
  model: BuildOptions['model'],
): Promise<EvaluationItem> {
  const { contextLength } = model.config;
  const what = `Item ${record.id} of task ${task.name}`;
  const group = record.group === undefined ? {} : { group: record.group };
  if (task.kind === 'generate') {
    const generation = task.generation as NonNullable<EvaluationTask['generation']>;
    const context = prefix + record.prompt;
    const all = chat ? await encodeMessage(model, context) : tokenizer.encode(wellFormed(context));
    const tokens = all.length > 0 ? all : Int32Array.of(tokenizer.beginToken ?? tokenizer.endToken ?? 0);
    const maxTokens = Math.min(generation.maxTokens, contextLength - 1);
    const cutTokens = Math.max(0, tokens.length + maxTokens - contextLength);
    const { answers, program } = record;
    return {
      kind: 'generate',
      id: record.id,
      hash: hashOf([context, ...answers, ...(program ? [program.before, program.after] : [])]),
      ...group,
      cutTokens,
      tokens: tokens.slice(cutTokens),
      maxTokens,
      answers,
      ...(program && { program }),
    };
  }
  const pairs = pairsOf(task, record, prefix, chat);
  const texts: ScoredText[] = [];
  let cutTokens = 0;
  let opening: { context: string; tokens: Int32Array } | undefined;
  for (const { context, continuation } of pairs) {
    if (chat && opening?.context !== context) opening = { context, tokens: await encodeMessage(model, context) };
    const encoded = opening ? afterOpening(tokenizer, opening.tokens, continuation) : encodePair(tokenizer, context, continuation);
    const fitted = fitContext(encoded, contextLength, what);
    texts.push(fitted.text);
    cutTokens = Math.max(cutTokens, fitted.cutTokens);
  }
  const lengths =
    task.kind === 'last-word'
      ? []
      : record.choices.map((choice, index) => [...(task.choiceForm === 'letter' ? letterOf(index) : choice)].length);
  const hash = hashOf(pairs.flatMap(({ context, continuation }) => [context, continuation]).concat(String(record.answer)));
  return { kind: 'score', id: record.id, hash, ...group, cutTokens, texts, lengths, answer: record.answer };
}

function pairsOf(task: EvaluationTask, record: TaskRecord, prefix: string, chat: boolean): { context: string; continuation: string }[] {
  const text = prefix + record.prompt;
  if (task.kind === 'last-word') {
    const whole = text.trimEnd();
    const space = whole.lastIndexOf(' ');
    return [{ context: whole.slice(0, space), continuation: whole.slice(space) }];
  }
  if (task.kind === 'partial') {
    const gap = prefix.length + record.prompt.indexOf('_');
    const after = ` ${text.slice(gap + 1).trim()}`;
    return record.choices.map((choice) => ({ context: text.slice(0, gap) + choice, continuation: after }));
  }
  // The template ends where the answer starts: no space stands between.
  const delimiter = chat ? '' : (task.delimiter ?? ' ');
  return record.choices.map((choice, index) => ({
    context: text,
    continuation: delimiter + (task.choiceForm === 'letter' ? letterOf(index) : choice),
  }));
}

const encodeMessage = (model: BuildOptions['model'], content: string): Promise<Int32Array> =>
  encodeChat(model, [{ role: 'user', content: wellFormed(content) }], { addGenerationPrompt: true });

function afterOpening(tokenizer: Tokenizer, opening: Int32Array, continuation: string): ScoredText {
  const after = tokenizer.encode(wellFormed(continuation), { addBegin: false });
  return { tokens: Int32Array.of(...opening, ...after), scoredFrom: opening.length };
}

function hashOf(texts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(texts)).digest('hex').slice(0, 16);
}
