import type { Runner } from '@gateskip/backend';
import type { Tokenizer } from '@gateskip/model';
import type { Policy } from '@gateskip/scheduler';
import type { ProgramRunner } from '../execution/program-runner.js';
import { generateTexts } from '../generation/generate-texts.js';
import type { GenerateItem, ScoreItem } from '../items/item.js';
import { extractGsm8k, isGsm8kMatch } from '../metrics/gsm8k.js';
import { scoreChoice } from '../metrics/score-choice.js';
import { scoreSquad } from '../metrics/squad.js';
import type { StepLimits } from '../scoring/limits.js';
import { type GroupScores, scoreGroups, type TextScoring } from '../scoring/score-texts.js';
import { sumOf } from '../scoring/text-scores.js';
import type { EvaluationTask, Generation } from '../task/task.js';
import type { PreparedTask } from './prepare-task.js';
import type { ItemResult } from './results.js';

export interface ItemRunOptions {
  readonly runner: Runner;
  readonly tokenizer: Tokenizer;
  readonly policy: Policy | undefined;
  readonly limits: StepLimits;
  readonly textScores?: TextScoring | undefined;
  /** For tasks that score by running what was written. */
  readonly programRunner?: ProgramRunner | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Results of a task's items without those that `isDone`; written answers come as they end. */
export async function* runItems(
  { task, items }: PreparedTask,
  isDone: (id: string) => boolean,
  options: ItemRunOptions,
): AsyncGenerator<ItemResult> {
  const left = items.filter(({ id }) => !isDone(id));
  const { generation } = task;
  if (generation !== undefined) {
    const prompts = left as readonly GenerateItem[];
    for await (const { index, text, finish, usage } of generateTexts(prompts, { ...options, stop: generation.stop })) {
      const item = prompts[index] as GenerateItem;
      const { programRunner, signal } = options;
      const ran = item.program && programRunner && (await programRunner.run(item.program.before + text + item.program.after, signal));
      const scores = ran ? { 'pass@1': ran.passed ? 1 : 0 } : scoreText(text, item.answers, generation.score);
      yield { ...common(item), scores, text, finish, ...(ran && { outcome: ran.outcome }), usage };
    }
    return;
  }
  const groups = left as readonly ScoreItem[];
  let at = 0;
  for await (const scores of scoreGroups(groups, options)) yield scoreItem(task, groups[at++] as ScoreItem, scores);
}

function common({ id, hash, group, cutTokens }: ScoreItem | GenerateItem): Pick<ItemResult, 'id' | 'hash' | 'group' | 'cutTokens'> {
  return { id, hash, ...(group !== undefined && { group }), cutTokens };
}

function scoreItem(task: EvaluationTask, item: ScoreItem, { texts, usage }: GroupScores): ItemResult {
  const logprobs = texts.map((text) => sumOf(text.logprobs));
  if (task.kind === 'last-word') {
    const scores = { acc: texts[0]?.isGreedy ? 1 : 0, logprob: logprobs[0] as number };
    return { ...common(item), scores, logprobs, usage };
  }
  const { choice, choiceNorm } = scoreChoice(logprobs, item.lengths);
  const { answer } = item;
  const acc = choice === answer ? 1 : 0;
  const scores: Record<string, number> = task.metrics.includes('acc_norm') ? { acc, acc_norm: choiceNorm === answer ? 1 : 0 } : { acc };
  return { ...common(item), scores, logprobs, choice, choiceNorm, answer, usage };
}

function scoreText(text: string, answers: readonly string[], how: Generation['score']): Record<string, number> {
  if (how === 'gsm8k') {
    const gold = answers[0] ?? '';
    const { strict, flexible } = extractGsm8k(text);
    return { exact_strict: isGsm8kMatch(strict, gold) ? 1 : 0, exact_flexible: isGsm8kMatch(flexible, gold) ? 1 : 0 };
  }
  return how === 'squad' ? { ...scoreSquad(text, answers) } : {};
}
