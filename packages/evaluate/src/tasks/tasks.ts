import { UnknownTaskError } from '../errors.js';
import type { EvaluationTask } from '../task/task.js';
import { arcChallenge } from './arc-challenge.js';
import { arcEasy } from './arc-easy.js';
import { commonsenseqa } from './commonsenseqa.js';
import { gsm8k } from './gsm8k.js';
import { hellaswag } from './hellaswag.js';
import { humaneval } from './humaneval.js';
import { lambada } from './lambada.js';
import { mmlu } from './mmlu.js';
import { openbookqa } from './openbookqa.js';
import { piqa } from './piqa.js';
import { squadV2 } from './squad-v2.js';
import { winogrande } from './winogrande.js';

/** Every task that comes along. */
export const tasks: readonly EvaluationTask[] = [
  hellaswag,
  piqa,
  arcEasy,
  arcChallenge,
  winogrande,
  openbookqa,
  commonsenseqa,
  mmlu,
  lambada,
  gsm8k,
  squadV2,
  humaneval,
];

/** @throws UnknownTaskError */
export function taskNamed(name: string): EvaluationTask {
  const task = tasks.find((candidate) => candidate.name === name);
  if (task === undefined)
    throw new UnknownTaskError(
      name,
      tasks.map((candidate) => candidate.name),
    );
  return task;
}
